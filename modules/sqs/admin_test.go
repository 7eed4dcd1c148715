package sqs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// buried runs a consumer until n messages are dead letters.
func buried(t *testing.T, queue string, n int, err error) *rig {
	t.Helper()
	r := newRig(t, rigConfig{queue: sqs.Queue{Name: queue, Retry: sqs.Backoff{Min: -1}}, maxReceive: 1, listeners: []events.Listener{
		listen(func(context.Context, int) error { return err }),
	}})
	if strings.HasSuffix(queue, ".fifo") {
		t.Fatal("the rig sends to standard queues")
	}
	r.sendEvents(n)
	must(t, r.consumer.Start(t.Context()))
	r.eventually("all dead", func() bool { return r.depth(r.dead()) == n })
	must(t, r.consumer.Stop(context.Background()))
	return r
}

func TestPeekShowsMessagesAndGivesThemBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := buried(t, "work", 25, events.Permanent(errors.New("no such user")))
		admin := sqs.NewAdmin(r.client)
		for range 2 { // a second look finds them all again
			seen, err := admin.Peek(t.Context(), r.dead(), 100)
			must(t, err)
			if len(seen) != 25 {
				t.Fatalf("%d messages seen, want 25", len(seen))
			}
			m := seen[0]
			if m.ID == "" || !strings.Contains(m.Body, "work.done") || m.Source != "work" || m.SentAt.IsZero() ||
				!strings.Contains(m.Attributes[sqs.AttributeReason], "no such user") {
				t.Errorf("seen: %+v", m)
			}
		}
		if s := r.state(r.dead()); s.Visible != 25 {
			t.Errorf("%+v after the look, want 25 visible", s)
		}
		few, err := admin.Peek(t.Context(), r.dead(), 3)
		must(t, err)
		if len(few) != 3 {
			t.Errorf("%d messages seen, want 3", len(few))
		}
	})
}

func TestRedriveMovesTheChosenMessagesOnly(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"dead-lettered here": events.Permanent(errors.New("no")), "moved by SQS": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := buried(t, "work", 30, err)
				admin := sqs.NewAdmin(r.client)
				seen, err := admin.Peek(t.Context(), r.dead(), 100)
				must(t, err)
				chosen := []string{seen[3].ID, seen[17].ID, seen[29].ID}
				must(t, admin.Redrive(t.Context(), r.dead(), chosen...))

				back, err := admin.Peek(t.Context(), "work", 10)
				must(t, err)
				if len(back) != 3 {
					t.Fatalf("%d messages are back, want 3", len(back))
				}
				for _, m := range back {
					if !slices.ContainsFunc(seen, func(p sqs.Peeked) bool { return p.Body == m.Body && slices.Contains(chosen, p.ID) }) {
						t.Errorf("%q was not chosen", m.Body)
					}
					if m.Attributes[sqs.AttributeReason] != "" {
						t.Errorf("the reason of its old failure is still there: %v", m.Attributes)
					}
				}
				if s := r.state(r.dead()); s.Visible != 27 {
					t.Errorf("%+v, want 27 dead letters left, all visible", s)
				}
				err = admin.Redrive(t.Context(), r.dead(), "none-such")
				if err == nil || !strings.Contains(err.Error(), "none-such") {
					t.Errorf("an unknown id: %v", err)
				}
			})
		})
	}
}

func TestRedriveAllMovesEveryMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := buried(t, "work", 40, events.Permanent(errors.New("no")))
		task, err := sqs.NewAdmin(r.client).RedriveAll(t.Context(), r.dead(), "work")
		must(t, err)
		if task == "" {
			t.Error("no task handle")
		}
		r.within(time.Hour, "all moved", func() bool { return r.depth("work") == 40 && r.depth(r.dead()) == 0 })
	})
}

func TestPurgeEmptiesAQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigConfig{})
	r.sendEvents(12)
	admin := sqs.NewAdmin(r.client)
	must(t, admin.Purge(t.Context(), "work"))
	if got := r.depth("work"); got != 0 {
		t.Errorf("%d messages left", got)
	}
	if err := admin.Purge(t.Context(), "gone"); err == nil || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("purging a missing queue: %v", err)
	}
}
