package fxtest

import (
	"fmt"
	"strings"
)

// createQueue makes a queue and its dead-letter queue, unless there is one of that name.
func (a *App) createQueue(ref string) error {
	name := ref[strings.LastIndexAny(ref, ":/")+1:]
	if _, exists := a.SQS.Queue(name); exists {
		return nil
	}
	dead := deadLetterName(name)
	if _, err := a.SQS.CreateQueue(dead, nil); err != nil {
		return fmt.Errorf("creating queue %q: %w", dead, err)
	}
	_, err := a.SQS.CreateQueue(name, map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:%s","maxReceiveCount":%d}`, dead, MaxReceives),
	})
	if err != nil {
		return fmt.Errorf("creating queue %q: %w", name, err)
	}
	return nil
}

// deadLetterName keeps the suffix that makes a queue FIFO at the end.
func deadLetterName(queue string) string {
	base, fifo := strings.CutSuffix(queue, ".fifo")
	if fifo {
		return base + DeadLetterSuffix + ".fifo"
	}
	return base + DeadLetterSuffix
}

// Depth counts the messages of a queue in every state: visible, in flight, delayed. A queue that does
// not exist fails the test.
func (a *App) Depth(queue string) int {
	a.t.Helper()
	state, ok := a.SQS.Queue(queue)
	if !ok {
		a.t.Fatalf("fxtest: there is no queue %q", queue)
	}
	return state.Visible + state.InFlight + state.Delayed
}

// DeadLetters counts the messages in the dead-letter queue of a queue.
func (a *App) DeadLetters(queue string) int {
	a.t.Helper()
	return a.Depth(deadLetterName(queue))
}

// WaitEmpty blocks until a queue holds no message in any state: all were handled and deleted, or moved
// to the dead-letter queue. It fails the test after ten seconds.
func (a *App) WaitEmpty(queue string) {
	a.t.Helper()
	await(a.t, func() bool { return a.Depth(queue) == 0 },
		func() string { return fmt.Sprintf("queue %q to be empty, it holds %d messages", queue, a.Depth(queue)) })
}

// RequireRequestsPerMessage fails the test when the consumer has spent more API requests on each
// handled message of a queue than the budget allows. AWS bills requests; 0.2 is the least there is, ten
// messages to a receive and ten to a delete, and a message that comes alone takes 2.
func (a *App) RequireRequestsPerMessage(queue string, budget float64) {
	a.t.Helper()
	if a.consumer == nil {
		a.t.Fatal("fxtest: the app has no sqs.Module")
	}
	for _, q := range a.consumer.Stats().Queues {
		if q.Name != queue {
			continue
		}
		if got := q.RequestsPerMessage(); got > budget || q.Acked == 0 {
			a.t.Errorf("fxtest: queue %q took %.2f requests for each of %d messages, the budget is %.2f: %+v", queue, got, q.Acked, budget, q.Requests)
		}
		return
	}
	a.t.Fatalf("fxtest: queue %q is not consumed", queue)
}
