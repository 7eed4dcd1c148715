package sqslocal

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// cooldown is how long SQS keeps a deleted queue's name back and allows no second purge (api:DeleteQueue, api:PurgeQueue).
const cooldown = time.Minute

func (s *Server) arn(name string) string {
	return "arn:aws:sqs:" + s.cfg.Region + ":" + s.cfg.Account + ":" + name
}

// queueByURL finds a queue by the path of its URL. The host is ignored: it may be another name of this machine.
func (s *Server) queueByURL(queueURL string) (*queue, error) {
	path := queueURL
	if _, rest, absolute := strings.Cut(queueURL, "://"); absolute {
		_, path, _ = strings.Cut(rest, "/")
	}
	account, name, ok := strings.Cut(strings.Trim(path, "/"), "/")
	if !ok || account != s.cfg.Account {
		return nil, errQueueDoesNotExist()
	}
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	if q := s.queue(name); q != nil {
		return q, nil
	}
	return nil, errQueueDoesNotExist()
}

// queueByARN returns nil for an unknown queue and for one of another account or region.
func (s *Server) queueByARN(arn string) *queue {
	name, ours := strings.CutPrefix(arn, s.arn(""))
	if !ours {
		return nil
	}
	return s.queue(name)
}

func (s *Server) queue(name string) *queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[name]
}

// allQueues returns the queues sorted by name.
func (s *Server) allQueues() []*queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*queue, 0, len(s.queues))
	for _, q := range s.queues {
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b *queue) int { return strings.Compare(a.name, b.name) })
	return all
}

// create adds a queue, or returns the one that has this name already, with existed true.
func (s *Server) create(name string, fifo bool, set settings, tags map[string]string) (q *queue, existed bool, err error) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q, true, nil
	}
	if at, recently := s.deleted[name]; recently {
		if !s.cfg.DisableCooldowns && now < at+cooldown {
			return nil, false, errQueueDeletedRecently()
		}
		delete(s.deleted, name)
	}
	s.created[name]++
	q = s.newQueue(name, fifo, set, tags, now)
	s.queues[name] = q
	return q, false, nil
}

func (s *Server) newQueue(name string, fifo bool, set settings, tags map[string]string, now time.Duration) *queue {
	q := &queue{
		server: s, name: name, arn: s.arn(name), fifo: fifo, settings: set, tags: tags,
		random: s.newRandom(fmt.Sprintf("queue %s %d", name, s.created[name])), created: now, modified: now, purged: now - cooldown,
	}
	q.tag = q.random.Uint64()
	q.ready.fifo = fifo
	q.clear()
	return q
}

// remove deletes q with its messages and ends its long polls.
func (s *Server) remove(q *queue) {
	q.lock()
	if !q.deleted {
		q.deleted = true
		q.purge()
		q.stopAlarm()
		q.polls.wakeAll()
	}
	now := q.now
	q.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[q.name] == q {
		delete(s.queues, q.name)
		s.deleted[q.name] = now
	}
}

// deadLetter moves messages that take has taken out of source into its dead-letter queue. If that was deleted at this very
// moment they go back, so that none is lost.
func (s *Server) deadLetter(source *queue, dead []*message) {
	if len(dead) == 0 {
		return
	}
	source.lock()
	var target *queue
	if policy := source.settings.redrive; policy != nil {
		target = s.queueByARN(policy.target)
	}
	for _, m := range dead {
		source.record(DeadLettered, m, source.now)
	}
	source.unlock()
	for _, m := range dead {
		m.source = source.arn
		if target == nil || !target.accept(m) {
			m.source = ""
			source.accept(m)
		}
	}
}

// accept takes in a message that comes from another queue, with its id, body, attributes and count. A standard queue keeps
// its time of sending, which its retention counts from; on a FIFO queue that starts anew (dg:sqs-dead-letter-queues).
func (q *queue) accept(m *message) bool {
	q.lock()
	defer q.unlock()
	if q.deleted {
		return false
	}
	groupID := m.group.id
	m.receipt, m.visibleAt = 0, q.now
	if q.fifo {
		m.sent = q.now
		q.lastNumber++
		m.number = q.lastNumber
	}
	q.add(m, groupID, 0)
	return true
}
