package sqslocal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// Fifty consumers and 100,000 messages: none is lost, and none is delivered twice within its visibility. The journal is the
// witness, not the consumers.
func TestFiftyConsumersLoseNothingAndGetNothingTwice(t *testing.T) {
	const consumers, messages = 50, 100_000
	b := inProcess(t, sqslocal.Config{JournalSize: 4 * messages})
	url := b.queue("q", map[string]string{"VisibilityTimeout": "43200", "ReceiveMessageWaitTimeSeconds": "20"})
	var left atomic.Int64
	left.Store(messages)
	var all sync.WaitGroup
	for range consumers {
		all.Go(func() {
			r := b.raw(url)
			for left.Load() > 0 {
				handles := r.handles()
				if len(handles) == 0 {
					return // the server has closed
				}
				r.delete(handles)
				if left.Add(-int64(len(handles))) <= 0 {
					b.must(b.srv.Close()) // ends the polls of the others
				}
			}
		})
	}
	for range 4 {
		all.Go(func() { b.raw(url).sendN(messages/4, "x") })
	}
	all.Wait()
	lives := map[string]string{}
	for _, e := range b.srv.Journal().Entries() {
		lives[e.MessageID] += string(e.What) + " "
	}
	if len(lives) != messages {
		t.Errorf("%d messages lived, want %d", len(lives), messages)
	}
	for id, life := range lives {
		if life != "sent received deleted " {
			t.Fatalf("message %s: %s", id, life)
		}
	}
}

// Groups of a FIFO queue are exclusive and in order, whoever consumes.
func TestConsumersKeepFIFOGroupsInOrder(t *testing.T) {
	const consumers, groups, each = 20, 50, 40
	b := inProcess(t, sqslocal.Config{})
	url := b.queue("q.fifo", map[string]string{"VisibilityTimeout": "43200"})
	r := b.raw(url)
	for i := range each {
		for first := 0; first < groups; first += 10 {
			var entries []string
			for g := first; g < first+10; g++ {
				entries = append(entries, fmt.Sprintf(`{"Id":"%d","MessageBody":"%d","MessageGroupId":"g%d","MessageDeduplicationId":"%d-%d"}`, g, i, g, g, i))
			}
			r.call("SendMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, url, strings.Join(entries, ",")))
		}
	}
	var mu sync.Mutex
	next, busy := map[string]int{}, map[string]bool{}
	var left atomic.Int64
	left.Store(groups * each)
	var all sync.WaitGroup
	for range consumers {
		all.Go(func() {
			r := b.raw(url)
			for left.Load() > 0 {
				_, text := r.call("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":3,"AttributeNames":["MessageGroupId"]}`, url))
				var handles []string
				locked := map[string]bool{}
				mu.Lock()
				for part := range strings.SplitSeq(text, `{"Attributes":`) {
					group := between(part, `"MessageGroupId":"`)
					if group == "" {
						continue
					}
					if busy[group] && !locked[group] {
						t.Errorf("%s is with two consumers", group)
					}
					busy[group], locked[group] = true, true
					if want := fmt.Sprint(next[group]); between(part, `"Body":"`) != want {
						t.Errorf("%s: got %s, want %s", group, between(part, `"Body":"`), want)
					}
					next[group]++
					handles = append(handles, between(part, `"ReceiptHandle":"`))
				}
				mu.Unlock()
				if len(handles) == 0 {
					runtime.Gosched()
					continue
				}
				mu.Lock()
				for group := range locked {
					busy[group] = false
				}
				mu.Unlock()
				r.delete(handles)
				left.Add(-int64(len(handles)))
			}
		})
	}
	all.Wait()
}

func between(s, after string) string {
	_, rest, _ := strings.Cut(s, after)
	out, _, _ := strings.Cut(rest, `"`)
	return out
}

// A thousand polls that wait do nothing: no message wakes more of them than it needs, and none is left waiting when there is
// something for it.
func TestAThousandPollsShareTheMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const polls = 1000
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		var answers []<-chan result
		for range polls {
			answers = append(answers, b.background(t.Context(), url, 20))
		}
		synctest.Wait()
		if s := b.state("q"); s.Polls != polls {
			t.Fatalf("%d polls wait", s.Polls)
		}
		sleep(time.Second)
		b.sendN(url, polls/2)
		synctest.Wait()
		if s := b.state("q"); s.Polls != polls/2 || s.InFlight != polls/2 {
			t.Errorf("after %d messages: %+v", polls/2, s)
		}
		sleep(20 * time.Second)
		got := 0
		for _, answer := range answers {
			r := <-answer
			b.must(r.err)
			got += len(r.messages)
		}
		if got != polls/2 {
			t.Errorf("%d messages arrived", got)
		}
	})
}

// Waiting messages take less than a kilobyte each besides their body.
func TestMemoryOfWaitingMessages(t *testing.T) {
	const n = 50_000 // bench/sqslocal measures a million
	b := inProcess(t, sqslocal.Config{JournalSize: -1})
	r := b.raw(b.queue("q", nil))
	before := heap()
	r.sendN(n, strings.Repeat("x", 100))
	per := (heap() - before) / n
	t.Logf("%d B per message with a body of 100 B", per)
	if per > 1024+100 {
		t.Errorf("%d B per message", per)
	}
	runtime.KeepAlive(b)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Polls that give up at any moment, in a crowd: no message stays behind while somebody waits for one, and none goes to a poll
// that has given up.
func TestPollsThatGiveUpStrandNothing(t *testing.T) {
	for name, fifo := range map[string]bool{"standard": false, "fifo": true} {
		t.Run(name, func(t *testing.T) {
			const messages, pollers = 500, 20
			b := inProcess(t, sqslocal.Config{})
			queue, suffix := "q", ""
			if fifo {
				queue, suffix = "q.fifo", `,"MessageGroupId":"g%d","MessageDeduplicationId":"%d"`
			}
			url := b.queue(queue, map[string]string{"VisibilityTimeout": "43200"})
			var left atomic.Int64
			left.Store(messages)
			over := make(chan struct{})
			var all sync.WaitGroup
			for i := range pollers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(i)))
					for left.Load() > 0 {
						ctx, cancel := context.WithCancel(t.Context())
						stop := time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, cancel)
						out, err := b.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20, MaxNumberOfMessages: 2})
						stop.Stop()
						cancel()
						if errors.Is(err, sqslocal.ErrClosed) {
							return
						}
						if err != nil {
							continue
						}
						for _, m := range out.Messages {
							if err := b.remove(url, m); err != nil {
								t.Error(err)
							}
						}
						if left.Add(-int64(len(out.Messages))) == 0 {
							close(over)
						}
					}
				})
			}
			r := b.raw(url)
			for i := range messages {
				id := suffix
				if fifo {
					id = fmt.Sprintf(suffix, i%7, i)
				}
				r.call("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"x"%s}`, url, id))
			}
			select {
			case <-over:
			case <-time.After(2 * time.Minute):
				t.Fatalf("%d messages are stranded: %+v", left.Load(), b.state(queue))
			}
			all.Wait()
			if n := b.srv.Journal().Count(queue, sqslocal.Received); n != messages {
				t.Errorf("%d messages were received %d times", messages, n)
			}
		})
	}
}
