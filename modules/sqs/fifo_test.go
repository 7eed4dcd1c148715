package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

type step struct {
	Group string `json:"group"`
	N     int    `json:"n"`
}

// steps records what ran in each group, in order of success.
type steps struct {
	mu   sync.Mutex
	done map[string][]int
	busy map[string]bool
	over []string // groups that ran two messages at once
}

func newSteps() *steps { return &steps{done: map[string][]int{}, busy: map[string]bool{}} }

func (s *steps) enter(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[group] {
		s.over = append(s.over, group)
	}
	s.busy[group] = true
}

func (s *steps) leave(group string, n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[group] = false
	if ok {
		s.done[group] = append(s.done[group], n)
	}
}

func (s *steps) listener(handle func(step) error) events.Listener {
	return events.On("step", "walker", func(_ context.Context, e events.Event[step]) error {
		s.enter(e.Data.Group)
		err := handle(e.Data)
		s.leave(e.Data.Group, e.Data.N, err == nil)
		return err
	})
}

func (s *steps) check(t *testing.T, groups, each int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.over) > 0 {
		t.Errorf("groups %v ran two messages at once", s.over)
	}
	want := make([]int, each)
	for i := range want {
		want[i] = i
	}
	for g := range groups {
		if got := s.done[fmt.Sprint(g)]; !slices.Equal(got, want) {
			t.Errorf("group %d ran %v", g, got)
		}
	}
}

func (r *rig) sendSteps(groups, each int) {
	r.t.Helper()
	for n := range each {
		for from := 0; from < groups; from += 10 {
			in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(r.url(r.queue))}
			for g := from; g < min(from+10, groups); g++ {
				in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
					Id: aws.String(fmt.Sprint(g)), MessageGroupId: aws.String(fmt.Sprint(g)), MessageDeduplicationId: aws.String(fmt.Sprint(g, "-", n)),
					MessageBody: aws.String(fmt.Sprintf(`{"event":"step","group":"%d","n":%d}`, g, n)),
				})
			}
			_, err := r.client.SendMessageBatch(context.Background(), in)
			must(r.t, err)
		}
	}
}

func TestFIFOGroupsRunInParallelAndEachInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := newSteps()
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Name: "steps.fifo"}, pool: goroutine.Config{MaxWorkers: 20},
			listeners: []events.Listener{done.listener(func(step) error { wait(10 * time.Millisecond); return nil })},
		})
		r.sendSteps(20, 30)
		began := time.Now()
		r.start()
		r.empty()
		done.check(t, 20, 30)
		if took := time.Since(began); took > 5*time.Second { // 6 s one after another, 0.3 s at best
			t.Errorf("20 groups took %v: they did not run in parallel", took)
		}
	})
}

func TestFIFOOrderHoldsUnderFailureAndTheRestOfTheGroupIsReleasedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := newSteps()
		var mu sync.Mutex
		failed := map[step]bool{}
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Name: "steps.fifo"}, pool: goroutine.Config{MaxWorkers: 8},
			listeners: []events.Listener{done.listener(func(s step) error {
				mu.Lock()
				defer mu.Unlock()
				if s.N%7 == 3 && !failed[s] {
					failed[s] = true
					return errors.New("once")
				}
				return nil
			})},
		})
		r.sendSteps(8, 25)
		began := time.Now()
		r.start()
		r.empty()
		done.check(t, 8, 25)
		if s := r.stats(); s.Released == 0 {
			t.Error("nothing was released, though heads of groups failed")
		}
		// Each group fails three or four times and waits a second or so for each; visibility is 30 s.
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("took %v: the rest of a group waited for its visibility", took)
		}
	})
}

func TestAPermanentErrorFreesItsFIFOGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := newSteps()
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Name: "steps.fifo"},
			listeners: []events.Listener{done.listener(func(s step) error {
				if s.N == 0 {
					return events.Permanent(errors.New("no"))
				}
				return nil
			})},
		})
		r.sendSteps(3, 4)
		r.start()
		r.empty()
		for g := range 3 {
			if got := done.done[fmt.Sprint(g)]; !slices.Equal(got, []int{1, 2, 3}) {
				t.Errorf("group %d ran %v, want 1 to 3", g, got)
			}
		}
		if got := r.depth(r.dead()); got != 3 {
			t.Errorf("%d dead letters, want 3", got)
		}
	})
}

func TestABusyFIFOGroupDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		done := newSteps()
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Name: "steps.fifo"}, pool: goroutine.Config{MaxWorkers: 4},
			listeners: []events.Listener{done.listener(func(s step) error {
				if s.Group == "0" && s.N == 0 {
					<-hold
				}
				return nil
			})},
		})
		r.sendSteps(1, 40) // one group fills the first receives
		r.start()
		r.eventually("the first group at work", func() bool { return r.stats().Running == 1 })
		for n := range 5 {
			_, err := r.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
				QueueUrl: aws.String(r.url(r.queue)), MessageGroupId: aws.String("1"), MessageDeduplicationId: aws.String(fmt.Sprint("x", n)),
				MessageBody: aws.String(fmt.Sprintf(`{"event":"step","group":"1","n":%d}`, n)),
			})
			must(t, err)
		}
		r.eventually("the other group done", func() bool { return r.stats().Acked == 5 })
		close(hold)
		r.empty()
		if got := done.done["1"]; !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("group 1 ran %v", got)
		}
	})
}

func TestFIFOOrderHoldsAcrossARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := newSteps()
		r := newRig(t, rigConfig{
			queue: sqs.Queue{Name: "steps.fifo"}, pool: goroutine.Config{MaxWorkers: 4},
			listeners: []events.Listener{done.listener(func(step) error { wait(50 * time.Millisecond); return nil })},
		})
		r.sendSteps(6, 20)
		for range 4 {
			must(t, r.consumer.Start(t.Context()))
			wait(300 * time.Millisecond)
			must(t, r.consumer.Stop(context.Background()))
		}
		must(t, r.consumer.Start(t.Context()))
		r.empty()
		must(t, r.stop())
		done.check(t, 6, 20)
	})
}
