package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/sqs"
)

func TestQueuesShareWorkerTimeByWeight(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		heavy, light, latency time.Duration
	}{
		"quick messages":                    {5 * time.Millisecond, 5 * time.Millisecond, 15 * time.Millisecond},
		"messages without a backlog":        {500 * time.Millisecond, 500 * time.Millisecond, 15 * time.Millisecond},
		"all in step":                       {100 * time.Millisecond, 100 * time.Millisecond, 0},
		"the heavy queue's take far longer": {200 * time.Millisecond, 20 * time.Millisecond, 15 * time.Millisecond},
		"the light queue's take far longer": {20 * time.Millisecond, 200 * time.Millisecond, 15 * time.Millisecond},
		"far away":                          {50 * time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				heavy := &load{Queue: sqs.Queue{Name: "heavy", Weight: 3}, keep: 150, takes: always(test.heavy)}
				light := &load{Queue: sqs.Queue{Name: "light"}, keep: 150, takes: always(test.light)}
				r := newShareRig(t, 8, test.latency, heavy, light)
				defer r.start()()
				w := r.window()
				wait(80 * max(test.heavy, test.light)) // so that the slack is a share of 1.4 %
				w.divided()
				w.busy(0.9)
				for i, s := range r.consumer.Stats().Queues {
					if used := r.loads[i].used(); s.Worked != used {
						t.Errorf("queue %s: Worked is %v, its listeners have worked for %v", s.Name, s.Worked, used)
					}
				}
			})
		})
	}
}

// While a queue's messages keep all workers busy, another one's arrive. It has a claim to its share from then
// on, and not only from when the first worker is free.
func TestAQueueIsMadeUpForTheTimeThatItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const takes = 500 * time.Millisecond
		first := &load{Queue: sqs.Queue{Name: "first"}, keep: 150, takes: always(takes)}
		later := &load{Queue: sqs.Queue{Name: "later", Weight: 3}, takes: always(takes)}
		r := newShareRig(t, 8, 5*time.Millisecond, first, later)
		defer r.start()()
		wait(20 * time.Millisecond)
		r.fill(later, 150)
		w := r.window()
		wait(40 * takes)
		each, all := w.used()
		if off := each[0] - all/4; off.Abs() > 2*takes {
			t.Errorf("the first queue had %v of %v worker time, want a fourth within two messages", each[0], all)
		}
	})
}

// A queue has messages at hand for its turns, or it loses them to others for as long as a slow message takes
// there. These messages wait, so they are few; and without other queues there are none.
func TestFewMessagesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	const takes = 500 * time.Millisecond
	heavy := &load{Queue: sqs.Queue{Name: "heavy", Weight: 3}, keep: 150, takes: always(takes)}
	light := &load{Queue: sqs.Queue{Name: "light"}, keep: 150, takes: always(takes)}
	for name, test := range map[string]struct {
		loads []*load
		most  []int
	}{
		// Its share of the eight slots, one to catch up by, and those that start within a tenth of a second.
		"two queues": {[]*load{heavy, light}, []int{6 + 1 + 2, 2 + 1 + 1}},
		"one queue":  {[]*load{{Queue: sqs.Queue{Name: "alone"}, keep: 150, takes: always(takes)}}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newShareRig(t, 8, 15*time.Millisecond, test.loads...)
				defer r.start()()
				wait(time.Second)
				waited := make([]int, len(test.most))
				for range 400 {
					wait(47 * time.Millisecond)
					synctest.Wait()
					for i, q := range r.consumer.Stats().Queues {
						waited[i] += q.Waiting
					}
				}
				for i, l := range test.loads {
					// On average: while slots end all at once, one may be counted that goes to the other queue.
					if waited[i] > 400*test.most[i] {
						t.Errorf("queue %s: %.1f messages waited on average, want at most %d", l.Name, float64(waited[i])/400, test.most[i])
					}
				}
			})
		})
	}
}

// Answers to receives come before the slots run out of messages, also from far away.
func TestSlotsSeldomWaitForReceives(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		takes, latency time.Duration
	}{
		{20 * time.Millisecond, 80 * time.Millisecond},
		{50 * time.Millisecond, 40 * time.Millisecond},
		{50 * time.Millisecond, 200 * time.Millisecond},
		{100 * time.Millisecond, 40 * time.Millisecond},
		{100 * time.Millisecond, 200 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("messages of %v, answers after %v", test.takes, test.latency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				l := &load{Queue: sqs.Queue{Name: "far"}, keep: 50, takes: func() time.Duration {
					return test.takes/2 + time.Duration(random.Int64N(int64(test.takes)))
				}}
				r := newShareRig(t, 8, test.latency, l)
				defer r.start()()
				wait(3 * time.Second)
				w := r.window()
				wait(20 * time.Second)
				w.busy(0.9)
				if n := r.consumer.Stats().Queues[0].RequestsPerMessage(); n > 0.4 {
					t.Errorf("%.2f requests for each message, want at most 0.4", n)
				}
			})
		})
	}
}

func TestTurnsDoNotMakeRequestsSmaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heavy := &load{Queue: sqs.Queue{Name: "heavy", Weight: 3}, keep: 300, takes: always(5 * time.Millisecond)}
		light := &load{Queue: sqs.Queue{Name: "light"}, keep: 300, takes: always(5 * time.Millisecond)}
		r := newShareRig(t, 8, 15*time.Millisecond, heavy, light)
		defer r.start()()
		wait(3 * time.Second)
		for _, s := range r.consumer.Stats().Queues {
			if n := s.RequestsPerMessage(); n > 0.21 {
				t.Errorf("queue %s: %.3f requests for each message, 0.2 is the least", s.Name, n)
			}
		}
	})
}

// Any number of queues with any weights and any messages, on any pool: what is not right is what whole
// messages make it, however long the window.
func TestEveryQueueGetsItsShareOfWorkerTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		workers := rapid.IntRange(1, 8).Draw(rt, "workers")
		latency := time.Duration(rapid.SampledFrom([]int{0, 5, 30}).Draw(rt, "latency in ms")) * time.Millisecond
		var loads []*load
		var longest time.Duration
		for i := range rapid.IntRange(2, 6).Draw(rt, "queues") {
			l, mean := drawLoad(rt, i)
			l.keep = 20 + workers*int(250*time.Millisecond/mean)
			longest = max(longest, mean)
			loads = append(loads, l)
		}
		messages := rapid.SampledFrom([]int{8, 16, 32}).Draw(rt, "window in messages")
		synctest.Test(t, func(t *testing.T) {
			r := newShareRig(t, workers, latency, loads...)
			defer r.start()()
			w := r.window()
			wait(time.Duration(messages) * longest)
			w.divided()
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

func drawLoad(rt *rapid.T, i int) (l *load, mean time.Duration) {
	l = &load{Queue: sqs.Queue{Name: fmt.Sprint("q", i), Weight: rapid.IntRange(1, 10).Draw(rt, "weight")}}
	mean = time.Duration(rapid.SampledFrom([]int{30, 100, 300}).Draw(rt, "mean in ms")) * time.Millisecond
	random := rand.New(rand.NewPCG(uint64(i), rapid.Uint64().Draw(rt, "seed")))
	switch rapid.SampledFrom([]string{"the same", "similar", "all sorts of"}).Draw(rt, "times") {
	case "the same":
		l.takes = always(mean)
	case "similar":
		l.takes = func() time.Duration { return mean/2 + time.Duration(random.Int64N(int64(mean))) }
	default:
		l.takes = func() time.Duration { return time.Duration(min(random.ExpFloat64(), 5) * float64(mean)) }
	}
	return l, mean
}

func TestAQueueThatComesBackGetsItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steady := &load{Queue: sqs.Queue{Name: "steady"}, keep: 50, takes: always(100 * time.Millisecond)}
		visitor := &load{Queue: sqs.Queue{Name: "visitor", Weight: 3}, takes: always(50 * time.Millisecond)}
		r := newShareRig(t, 8, 15*time.Millisecond, steady, visitor)
		defer r.start()()
		for range 3 {
			w := r.window()
			wait(5 * time.Second)
			if each, all := w.used(); each[0] != all {
				t.Errorf("the queue alone had %v of %v worker time", each[0], all)
			}
			w.busy(0.95)

			before, _ := visitor.progress()
			w = r.window()
			r.fill(visitor, 60)
			r.within("the visitor at work", 200*time.Millisecond, func() bool {
				started, _ := visitor.progress()
				return started > before
			})
			for range 4 { // also at first: it has no claim to the time when it was away
				wait(time.Second)
				w.divided()
			}
			r.fill(visitor, 0)
			r.within("the visitor done", 30*time.Second, func() bool {
				s := r.state(visitor)
				return s.Visible == 0 && s.InFlight == 0
			})
		}
	})
}

// The queues' running messages go on to use what others would have; that is all there is to make up for.
func TestAQueueHasNoDebtForHavingHadThePoolToItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steady := &load{Queue: sqs.Queue{Name: "steady"}, keep: 60, takes: always(20 * time.Millisecond)}
		other := &load{Queue: sqs.Queue{Name: "other"}, takes: always(20 * time.Millisecond)}
		r := newShareRig(t, 4, 15*time.Millisecond, steady, other)
		defer r.start()()
		wait(10 * time.Second)
		r.fill(other, 60)
		w := r.window()
		wait(time.Second)
		w.divided()
	})
}

func TestWhatACappedQueueLeavesGoesToTheOthersByWeight(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				capped := &load{Queue: sqs.Queue{Name: "capped", Weight: 6, Concurrency: 2}, keep: 200, takes: always(takes)}
				two := &load{Queue: sqs.Queue{Name: "two", Weight: 2}, keep: 200, takes: always(takes)}
				one := &load{Queue: sqs.Queue{Name: "one", Weight: 1}, keep: 200, takes: always(4 * takes)}
				r := newShareRig(t, 8, 15*time.Millisecond, capped, two, one)
				defer r.start()()
				w := r.window()
				wait(200 * takes)
				w.busy(0.97)
				each, all := w.used()
				if most := 2 * 200 * takes; each[0] > most || each[0] < most*95/100 {
					t.Errorf("the capped queue had %v worker time of at most %v", each[0], most)
				}
				if off := each[1] - (all-each[0])*2/3; off.Abs() > w.slack() {
					t.Errorf("the others had %v and %v, want two to one", each[1], each[2])
				}
			})
		})
	}
}

func TestAFIFOQueueHasItsShareAsFarAsItsGroupsGo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		groups int
		slots  float64 // of four
	}{
		"many groups": {40, 2},
		"one group":   {1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fifo := &load{Queue: sqs.Queue{Name: "steps.fifo"}, keep: 200, groups: test.groups, takes: always(50 * time.Millisecond)}
				plain := &load{Queue: sqs.Queue{Name: "plain"}, keep: 200, takes: always(50 * time.Millisecond)}
				r := newShareRig(t, 4, 5*time.Millisecond, fifo, plain)
				defer r.start()()
				w := r.window()
				wait(10 * time.Second)
				w.busy(0.97)
				each, all := w.used()
				want := time.Duration(test.slots / 4 * float64(all))
				if each[0] > want+w.slack() || each[0] < want*85/100 { // a lone group waits for each of its polls
					t.Errorf("the FIFO queue had %v of %v worker time, want about %v", each[0], all, want)
				}
			})
		})
	}
}

func TestPausedQueuesLeaveTheirShareAndResumeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heavy := &load{Queue: sqs.Queue{Name: "heavy", Weight: 3}, keep: 100, takes: always(50 * time.Millisecond)}
		light := &load{Queue: sqs.Queue{Name: "light"}, keep: 100, takes: always(200 * time.Millisecond)}
		r := newShareRig(t, 8, 15*time.Millisecond, heavy, light)
		defer r.start()()
		for range 3 {
			w := r.window()
			wait(4 * time.Second)
			w.divided()

			must(t, r.consumer.Pause("heavy"))
			wait(time.Second) // what it has received is handled
			w = r.window()
			wait(4 * time.Second)
			if each, all := w.used(); each[1] != all {
				t.Errorf("the paused queue had %v of %v worker time", each[0], all)
			}
			w.busy(0.95)
			must(t, r.consumer.Resume("heavy"))
		}
	})
}

// A queue that waits for a slot to poll is told of it, also when it was paused meanwhile.
func TestAQueuePausedWhileThePoolWasFullGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &load{Queue: sqs.Queue{Name: "work"}, keep: 3, takes: always(time.Millisecond)}
		r := newShareRig(t, 1, 0, l)
		release := make(chan struct{})
		must(t, r.pool.Go(t.Context(), func(context.Context) error { <-release; return nil }))
		synctest.Wait()
		defer r.start()()
		synctest.Wait()
		must(t, r.consumer.Pause())
		close(release)
		synctest.Wait()
		must(t, r.consumer.Resume())
		r.within("messages handled", time.Second, func() bool {
			_, done := l.progress()
			return done > 0
		})
	})
}

func TestListenersBesideOneAnotherCountEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wide := &load{Queue: sqs.Queue{Name: "wide"}, keep: 100, listeners: 4, takes: always(100 * time.Millisecond)}
		narrow := &load{Queue: sqs.Queue{Name: "narrow"}, keep: 100, takes: always(100 * time.Millisecond)}
		r := newShareRig(t, 8, 15*time.Millisecond, wide, narrow)
		defer r.start()()
		w := r.window()
		wait(15 * time.Second)
		w.divided()
	})
}

func TestSharesHoldBesideOtherWorkOfThePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		heavy := &load{Queue: sqs.Queue{Name: "heavy", Weight: 3}, keep: 100, takes: always(50 * time.Millisecond)}
		light := &load{Queue: sqs.Queue{Name: "light"}, keep: 100, takes: always(100 * time.Millisecond)}
		r := newShareRig(t, 8, 15*time.Millisecond, heavy, light)
		defer r.start()()

		tasks := &load{takes: always(30 * time.Millisecond)}
		ctx, cancel := context.WithCancel(t.Context())
		submitted := make(chan struct{})
		go func() {
			defer close(submitted)
			for r.pool.Go(ctx, func(context.Context) error { return tasks.work() }) == nil {
			}
		}()
		defer func() {
			cancel()
			<-submitted
		}()

		w, before := r.window(), tasks.used()
		wait(10 * time.Second)
		w.divided()
		_, all := w.used()
		others := tasks.used() - before
		if least := (all + others) / 4; all < least || others < least {
			t.Errorf("the queues had %v worker time and other tasks %v, want a fourth of it each at least", all, others)
		}
	})
}
