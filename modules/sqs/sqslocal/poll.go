package sqslocal

import (
	"container/list"
	"context"
	"time"
)

// poll is a receive that waits for a message.
type poll struct {
	woken chan struct{} // size 1: waking never blocks, and a poll is woken once per time in the line
	place *list.Element // nil while not in the line
}

// polls is the line of waiting receives of one queue. One message wakes one poll; a woken poll that leaves messages behind,
// or that goes away, wakes the next. So a thousand polls cost nothing until there is work for them.
type polls struct {
	line list.List
}

func (p *polls) empty() bool { return p.line.Len() == 0 }

// join puts w at the end of the line.
func (p *polls) join(w *poll) { w.place = p.line.PushBack(w) }

// rejoin puts w, which was woken and found nothing, back at the front.
func (p *polls) rejoin(w *poll) { w.place = p.line.PushFront(w) }

// leave takes w out of the line and reports whether it was still in it; if not, somebody has woken it.
func (p *polls) leave(w *poll) bool {
	if w.place == nil {
		return false
	}
	p.line.Remove(w.place)
	w.place = nil
	return true
}

// wake wakes the first in the line.
func (p *polls) wake() {
	front := p.line.Front()
	if front == nil {
		return
	}
	if w, ok := p.line.Remove(front).(*poll); ok {
		w.place = nil
		w.woken <- struct{}{}
	}
}

func (p *polls) wakeAll() {
	for !p.empty() {
		p.wake()
	}
}

// receive takes messages as r asks. If there are none it waits up to r.wait for one to arrive, to become visible again, to
// end its delay or to be unlocked. A cancelled ctx takes no message; the server's close and the queue's deletion end the wait.
func (q *queue) receive(ctx context.Context, r receiveRequest) ([]delivery, error) {
	var w *poll
	var timeout <-chan time.Time
	for last := r.wait == 0; ; {
		q.lock()
		if err := ctx.Err(); err != nil {
			q.unlock() // wakes the next in line if a message had woken this poll
			return nil, err
		}
		got, dead, err := q.take(r)
		done := err != nil || len(got) > 0 || last
		if !done {
			if w == nil {
				w = &poll{woken: make(chan struct{}, 1)}
				q.polls.join(w)
				timer := time.NewTimer(r.wait)
				defer timer.Stop()
				timeout = timer.C
				defer watchClient(ctx)()
			} else {
				q.polls.rejoin(w)
			}
		}
		q.unlock()
		q.server.deadLetter(q, dead)
		if done {
			return got, err
		}
		select {
		case <-w.woken:
			continue
		case <-timeout:
			last = true // one more look: a message may have become visible at this very moment
		case <-ctx.Done():
		case <-q.server.pollsEnded:
			last = true
		case <-q.server.closing:
			r.max = 0
			last = true
		}
		q.lock()
		if !q.polls.leave(w) {
			<-w.woken
		}
		q.unlock()
	}
}
