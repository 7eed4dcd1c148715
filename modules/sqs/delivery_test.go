package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// fate is what the server says to an event: so many transient failures, and then yes or no.
type fate struct {
	transient int
	refused   bool
}

// fates lets each entry of each batch fail as planned, and stores the others on the real server.
type fates struct {
	sqs.API
	mu    sync.Mutex
	plan  map[int]fate
	tries map[int]int
}

func (f *fates) SendMessageBatch(ctx context.Context, in *awssqs.SendMessageBatchInput, opts ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	pass := *in
	pass.Entries = nil
	var failed []types.BatchResultErrorEntry
	f.mu.Lock()
	for _, e := range in.Entries {
		var body struct{ Data payload }
		if err := json.Unmarshal([]byte(aws.ToString(e.MessageBody)), &body); err != nil {
			f.mu.Unlock()
			return nil, err
		}
		n := body.Data.N
		f.tries[n]++
		switch plan := f.plan[n]; {
		case f.tries[n] <= plan.transient:
			failed = append(failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError"), Message: aws.String(fmt.Sprintf("busy with %d", n))})
		case plan.refused:
			failed = append(failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InvalidMessageContents"), Message: aws.String(fmt.Sprintf("no to %d", n)), SenderFault: true})
		default:
			pass.Entries = append(pass.Entries, e)
		}
	}
	f.mu.Unlock()
	if len(pass.Entries) == 0 {
		return &awssqs.SendMessageBatchOutput{Failed: failed}, nil
	}
	out, err := f.API.SendMessageBatch(ctx, &pass, opts...)
	if err != nil {
		return nil, err
	}
	out.Failed = append(out.Failed, failed...)
	return out, nil
}

// maxTries is how often the publisher sends an entry.
const maxTries = 4

// want is what the caller of an event with this fate must hear.
func (f fate) want(n int) string {
	switch {
	case f.transient >= maxTries:
		return fmt.Sprintf("InternalError: busy with %d", n)
	case f.refused:
		return fmt.Sprintf("InvalidMessageContents: no to %d", n)
	}
	return ""
}

func drawFate(rt *rapid.T) fate {
	return fate{
		transient: rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 3, 4, 9}).Draw(rt, "transient failures"),
		refused:   rapid.SampledFrom([]bool{false, false, false, true}).Draw(rt, "refused"),
	}
}

// newFates is a publisher behind a server with a plan.
func newFates(t *testing.T, cfg sqs.Config, plan map[int]fate) (*desk, *fates) {
	d := newDesk(t, cfg)
	f := &fates{API: d.client, plan: plan, tries: map[int]int{}}
	p, err := sqs.NewPublisher(cfg, f)
	must(t, err)
	d.Publisher = p
	return d, f
}

func TestEachEntryEndsAsTheServerSaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		plan := map[int]fate{}
		n := rapid.IntRange(1, 45).Draw(rt, "events")
		for i := range n {
			plan[i] = drawFate(rt)
		}
		together := rapid.Bool().Draw(rt, "in one call")
		synctest.Test(t, func(t *testing.T) {
			d, f := newFates(t, sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: standard}}}, plan)
			got := publishNumbered(t, d, n, together)
			var want []int
			for i := range n {
				if plan[i].want(i) != got[i] {
					t.Errorf("event %d: its caller heard %q, the server said %q", i, got[i], plan[i].want(i))
				}
				if got[i] == "" {
					want = append(want, i)
				}
				if f.tries[i] > maxTries {
					t.Errorf("event %d was sent %d times", i, f.tries[i])
				}
			}
			stored := numbers(t, d.receive(standard))
			slices.Sort(stored)
			if !slices.Equal(stored, want) {
				t.Errorf("stored %v, and the callers were told %v", stored, want)
			}
			must(t, d.Stop(t.Context()))
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// publishNumbered publishes events 0 to n-1, in one call or each by a caller of its own, and answers the
// reason that each caller got, "" for success.
func publishNumbered(t *testing.T, d *desk, n int, together bool) []string {
	got := make([]string, n)
	if !together {
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				if err := d.Publish(t.Context(), numbered("work.done", i)); err != nil {
					got[i] = reasons(t, err)[i]
				}
			})
		}
		group.Wait()
		return got
	}
	batch := make([]events.Any, n)
	for i := range n {
		batch[i] = numbered("work.done", i)
	}
	if err := d.Publish(t.Context(), batch...); err != nil {
		for i, reason := range reasons(t, err) {
			got[i] = reason
		}
	}
	return got
}

// reasons takes the joined errors of a Publish apart, by event.
func reasons(t *testing.T, err error) map[int]string {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("Publish answered %T, want joined errors", err)
	}
	all := map[int]string{}
	for _, one := range joined.Unwrap() {
		p, ok := errors.AsType[*sqs.PublishError](one)
		if !ok {
			t.Fatalf("%v is no PublishError", one)
		}
		if p.Uncertain {
			t.Errorf("%v: the server has answered, there is no doubt", p)
		}
		all[p.Event.Data.(payload).N] = p.Err.Error() //nolint:errcheck,forcetypeassert // numbered events
	}
	return all
}

// TestGroupsKeepTheirOrderUnderPartialFailures publishes to FIFO groups while entries fail one by one.
func TestGroupsKeepTheirOrderUnderPartialFailures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		plan := map[int]fate{}
		n := rapid.IntRange(1, 40).Draw(rt, "events")
		groups := rapid.IntRange(1, 4).Draw(rt, "groups")
		packed := rapid.Bool().Draw(rt, "packed")
		for i := range n {
			plan[i] = drawFate(rt)
		}
		synctest.Test(t, func(t *testing.T) {
			route := sqs.Route{Pattern: "**", Queue: fifo, GroupBy: "group", PackGroups: packed}
			d, _ := newFates(t, sqs.Config{Publish: []sqs.Route{route}}, plan)
			pending := make([]*sqs.Pending, n)
			for i := range n {
				pending[i] = d.PublishAsync(t.Context(), numbered("work.done", i, events.WithMetadata("group", fmt.Sprint("g", i%groups))))
			}
			var told []int
			for i, p := range pending {
				_, err := p.Await(t.Context())
				if err == nil {
					told = append(told, i)
				}
				if want := plan[i].want(i); !packed && (err == nil) != (want == "") {
					t.Errorf("event %d: %v, and the server said %q", i, err, want)
				}
			}
			last := map[string]int{}
			stored := d.receive(fifo)
			for i, m := range numbers(t, stored) {
				group := system(stored[i], types.MessageSystemAttributeNameMessageGroupId)
				if before, known := last[group]; known && before > m {
					t.Errorf("group %s: %d is stored after %d", group, m, before)
				}
				last[group] = m
			}
			all := numbers(t, stored)
			slices.Sort(all)
			if !slices.Equal(all, told) {
				t.Errorf("stored %v, and the callers were told %v", all, told)
			}
			must(t, d.Stop(t.Context()))
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// Requests that fail as a whole are repeated as a whole, also when SQS had stored their entries.
func TestGroupsKeepTheirOrderUnderBrokenConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		d.faults(
			sqslocal.Fault{Effect: sqslocal.ResetAfter, Action: "SendMessageBatch", Probability: 0.1},
			sqslocal.Fault{Effect: sqslocal.Throttle, Action: "SendMessageBatch", Probability: 0.1},
			sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.1},
			slow(15*time.Millisecond),
		)
		var pending []*sqs.Pending
		for i := range 200 {
			pending = append(pending, d.PublishAsync(t.Context(), numbered("fifo.done", i, sqs.WithGroup(fmt.Sprint(i%5)))))
		}
		told, doubtful := 0, 0
		for _, p := range pending {
			_, err := p.Await(t.Context())
			if failure, ok := errors.AsType[*sqs.PublishError](err); ok && failure.Uncertain {
				doubtful++
			} else if err == nil {
				told++
			}
		}
		stored := d.receive(fifo)
		if n := len(stored); told < 180 || n < told || n > told+doubtful {
			t.Errorf("%d messages stored, and %d callers were told so, %d left in doubt: a repeat is dropped by its deduplication id", n, told, doubtful)
		}
		last := map[int]int{}
		for _, n := range numbers(t, stored) {
			if n < last[n%5] {
				t.Fatalf("%d is stored after %d of its group", n, last[n%5])
			}
			last[n%5] = n
		}
	})
}

func TestRetriesAreSpacedAndEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		effect    sqslocal.Effect
		requests  int
		uncertain bool
	}{
		{sqslocal.ServerError, maxTries, true},
		{sqslocal.Unavailable, maxTries, true},
		{sqslocal.Throttle, maxTries, false},
		{sqslocal.ResetBefore, maxTries, true},
		{sqslocal.ResetAfter, maxTries, true},
	} {
		t.Run(string(test.effect), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, sqs.Config{})
				d.faults(sqslocal.Fault{Effect: test.effect, Action: "SendMessageBatch"})
				began := time.Now()
				err := d.Publish(t.Context(), numbered("work.done", 1))
				p, ok := errors.AsType[*sqs.PublishError](err)
				if !ok || p.Uncertain != test.uncertain {
					t.Errorf("%v: want a PublishError with Uncertain %v", err, test.uncertain)
				}
				if n := d.requests(); n != test.requests {
					t.Errorf("%d requests, want %d", n, test.requests)
				}
				if took := time.Since(began); took == 0 || took > 5*time.Second {
					t.Errorf("retries took %v: want a back-off, and an end", took)
				}
			})
		})
	}
}

func TestAQueueThatIsGoneIsNoReasonToRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		must(t, d.Publish(t.Context(), numbered("work.done", 1)))
		_, err := d.client.DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: aws.String(d.srv.URL() + "/000000000000/" + standard)})
		must(t, err)
		err = d.Publish(t.Context(), numbered("work.done", 2))
		if err == nil || !strings.Contains(err.Error(), "create the queue") {
			t.Errorf("%v: want the mend", err)
		}
		if n := d.requests(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

// refusing fails a whole request for what one of its entries holds, as AWS does for some faults.
type refusing struct{ sqs.API }

func (r refusing) SendMessageBatch(ctx context.Context, in *awssqs.SendMessageBatchInput, opts ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	for _, e := range in.Entries {
		if strings.Contains(aws.ToString(e.MessageBody), `"n":13`) {
			return nil, &types.InvalidMessageContents{Message: aws.String("13 is not welcome")}
		}
	}
	return r.API.SendMessageBatch(ctx, in, opts...)
}

func TestAnEntryThatFailsItsWholeRequestFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: standard}}}, refusing{d.client})
		must(t, err)
		d.Publisher = p
		batch := make([]events.Any, 20)
		for i := range batch {
			batch[i] = numbered("work.done", i)
		}
		got := reasons(t, d.Publish(t.Context(), batch...))
		if len(got) != 1 || !strings.Contains(got[13], "13 is not welcome") {
			t.Errorf("failed: %v, want 13 alone", got)
		}
		if n := len(d.receive(standard)); n != 19 {
			t.Errorf("%d messages stored, want 19", n)
		}
	})
}

// silent answers a request without a word about its entries.
type silent struct{ sqs.API }

func (silent) SendMessageBatch(context.Context, *awssqs.SendMessageBatchInput, ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	return &awssqs.SendMessageBatchOutput{}, nil
}

func TestAnEntryThatNoAnswerMentionsIsNoSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, sqs.Config{})
		p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "**", Queue: standard}}}, silent{d.client})
		must(t, err)
		failure, ok := errors.AsType[*sqs.PublishError](p.Publish(t.Context(), numbered("work.done", 1)))
		if !ok || !failure.Uncertain {
			t.Errorf("%v: want an uncertain PublishError", failure)
		}
	})
}
