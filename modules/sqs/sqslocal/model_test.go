package sqslocal_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// modelled is what a test remembers of one message of a queue with a dead-letter queue.
type modelled struct {
	id        string
	receives  int
	visibleAt time.Time
	handle    types.Message // of the newest receive
}

const (
	modelVisibility = 30 * time.Second
	modelMax        = 3 // receives before the dead-letter queue
)

// model does to a list what a queue does to its messages.
type model struct {
	b    *bench
	t    *rapid.T
	url  string
	live []*modelled
	dead int
	gone int
	sent int
}

// Whatever is done in whatever order, the queue holds what a list of messages says it must: the books balance.
func TestBooksBalance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(1, 1<<32).Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			b := inProcess(t, sqslocal.Config{Seed: seed})
			b.queue("dead", nil)
			m := &model{b: b, t: rt, url: b.queue("q", map[string]string{
				"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":%d}`, modelMax),
			})}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				m.step(rapid.SampledFrom([]string{"send", "send", "receive", "receive", "delete", "release", "extend", "pass"}).Draw(rt, "step"))
				m.check()
			}
		})
	})
}

func (m *model) step(what string) {
	switch what {
	case "send":
		m.live = append(m.live, &modelled{id: m.b.send(m.url, "x"), visibleAt: time.Now()})
		m.sent++
	case "receive":
		m.receive()
	case "pass":
		sleep(time.Duration(rapid.IntRange(1, 40).Draw(m.t, "seconds")) * time.Second)
	default:
		leased := slices.DeleteFunc(slices.Clone(m.live), func(one *modelled) bool { return one.receives == 0 })
		if len(leased) == 0 {
			return
		}
		one := rapid.SampledFrom(leased).Draw(m.t, "message")
		switch what {
		case "delete":
			m.b.must(m.b.remove(m.url, one.handle))
			m.live = slices.DeleteFunc(m.live, func(o *modelled) bool { return o == one })
			m.gone++
		case "release":
			m.b.must(m.b.hide(m.url, one.handle, 0))
			one.visibleAt = time.Now()
		case "extend":
			m.b.must(m.b.hide(m.url, one.handle, 60))
			one.visibleAt = time.Now().Add(time.Minute)
		}
	}
}

// receive takes as many as the server gives, and checks that each was due.
func (m *model) receive() {
	now := time.Now()
	got := m.b.receive(m.url, 0)
	due, buried := 0, 0
	for _, one := range m.live {
		if !one.visibleAt.After(now) {
			if one.receives < modelMax {
				due++
			} else {
				buried++
			}
		}
	}
	if want := min(due, 10); len(got) != want {
		m.t.Fatalf("received %d of %d due", len(got), due)
	}
	for _, message := range got {
		i := slices.IndexFunc(m.live, func(one *modelled) bool { return one.id == *message.MessageId })
		if i < 0 {
			m.t.Fatalf("received %s, which is not there", *message.MessageId)
		}
		one := m.live[i]
		if one.visibleAt.After(now) {
			m.t.Fatalf("received %s within its visibility", one.id)
		}
		one.receives++
		if message.Attributes["ApproximateReceiveCount"] != fmt.Sprint(one.receives) {
			m.t.Fatalf("count %s, want %d", message.Attributes["ApproximateReceiveCount"], one.receives)
		}
		one.handle, one.visibleAt = message, now.Add(modelVisibility)
	}
	if due < 10 { // it went through all that was visible
		m.dead += buried
		m.live = slices.DeleteFunc(m.live, func(one *modelled) bool { return !one.visibleAt.After(now) && one.receives >= modelMax })
		return
	}
	m.settle(now)
}

// settle learns from the server which of the exhausted messages a full receive passed on its way.
func (m *model) settle(now time.Time) {
	for _, e := range m.b.srv.Journal().Find(sqslocal.DeadLettered) {
		before := len(m.live)
		m.live = slices.DeleteFunc(m.live, func(one *modelled) bool {
			return one.id == e.MessageID && !one.visibleAt.After(now) && one.receives >= modelMax
		})
		m.dead += before - len(m.live)
	}
}

func (m *model) check() {
	var want sqslocal.QueueState
	for _, one := range m.live {
		if one.visibleAt.After(time.Now()) {
			want.InFlight++
		} else {
			want.Visible++
		}
	}
	if got := m.b.state("q"); got != want {
		m.t.Fatalf("queue %+v, model %+v", got, want)
	}
	if got := m.b.state("dead"); got.Visible != m.dead {
		m.t.Fatalf("dead-letter queue %+v, model %d", got, m.dead)
	}
	if m.sent != len(m.live)+m.dead+m.gone {
		m.t.Fatalf("%d sent, but %d there, %d dead, %d deleted", m.sent, len(m.live), m.dead, m.gone)
	}
}
