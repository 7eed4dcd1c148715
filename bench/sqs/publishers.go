package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// publishLoad is what the callers of a publisher do.
type publishLoad struct {
	n       int // the most messages
	callers int
	latency time.Duration
	warm    int // messages before the measured window
	window  time.Duration
}

// publisher starts a sender's process.
func (b *bed) publisher(j job) (*child, error) {
	c, err := b.client(rolePublish, j)
	if err != nil {
		return nil, err
	}
	if err := c.ask(clientRequest{Op: "start"}, nil); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// publishes measures a sender under a steady load.
func publishes(ctx context.Context, o Options, name string, l publishLoad, contestant string) (figures, error) {
	b, err := newBed(ctx, o, name, 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.slow(l.latency); err != nil {
		return nil, err
	}
	c, err := b.publisher(job{Contestant: contestant, N: l.n, Concurrency: l.callers})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	from, err := await(c, l.warm, l.window)
	if err != nil {
		return nil, err
	}
	before, err := b.mark()
	if err != nil {
		return nil, err
	}
	to, err := await(c, l.n, l.window)
	if err != nil {
		return nil, err
	}
	after, err := b.mark()
	if err != nil {
		return nil, err
	}
	last, err := stop(c)
	if err != nil {
		return nil, err
	}
	if len(last.Failed) > 0 {
		return nil, fmt.Errorf("%d publishes failed: %s", len(last.Failed), last.Stopped)
	}
	f := perMessage(from, to)
	if f != nil {
		f["requests"] = float64(after.requests(before)) / float64(to.Count-from.Count)
		f["p50"], f[keyP99] = last.P50, last.P99
	}
	return f, nil
}

func publisherColumns(one string) []column {
	return []column{
		{key: keyRate, title: "messages/s", ratio: one},
		{key: "requests", title: "requests/message", decimals: 3},
		{key: "p50", title: "p50 of Publish, ms", decimals: 2},
		{key: keyP99, title: "p99, ms", decimals: 2},
		{key: keyCPU, title: "client CPU us/message", decimals: 1, ratio: one},
		{key: "allocs", title: "allocs/message", ratio: one},
	}
}

func publish64() scenario {
	const name = "publish-64"
	return scenario{
		name: name, title: "64 callers, each waits for its answer; 15 ms of API latency",
		contestants: []string{ours, batcher, goCloud, single},
		columns:     publisherColumns(batcher),
		bars: func(all results) []bar {
			if !all.have(name, ours, batcher) {
				return nil
			}
			return []bar{
				atMost("64 callers: at most 0.11 requests per message", all[name][ours]["requests"], 0.11, 3, ""),
				atLeast("64 callers: at least 0.9 x the hand-written batcher's throughput", all.ratio(name, keyRate, ours, batcher), 0.9, 2, " x"),
			}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return publishes(ctx, o, name, publishLoad{
				n: 100_000, callers: 64, latency: 15 * time.Millisecond, warm: 500, window: 2 * time.Second,
			}, contestant)
		},
	}
}

func publishLone() scenario {
	const name = "publish-lone"
	return scenario{
		name: name, title: "one caller, one message after another; 15 ms of API latency",
		contestants: []string{ours, single, batcher, goCloud},
		columns:     publisherColumns(single),
		bars: func(all results) []bar {
			if !all.have(name, ours, single) {
				return nil
			}
			return []bar{atMost("a lone caller: at most 1 ms slower than a bare SendMessage (p50)",
				all[name][ours]["p50"]-all[name][single]["p50"], 1, 2, " ms")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return publishes(ctx, o, name, publishLoad{
				n: 10_000, callers: 1, latency: 15 * time.Millisecond, warm: 10, window: 2 * time.Second,
			}, contestant)
		},
	}
}

// truthPatience is how long the callers may take.
const truthPatience = 5 * time.Second

// publishTruth lets entries of batches fail, and compares what the callers were told with what is in the queue. With
// kill, the process dies in mid-load.
func publishTruth(ctx context.Context, o Options, n, callers int, latency time.Duration, kill bool, contestant string, faults ...sqslocal.Fault) (figures, error) {
	b, err := newBed(ctx, o, "publish-truth", 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.slow(latency, faults...); err != nil {
		return nil, err
	}
	c, err := b.publisher(job{Contestant: contestant, N: n, Concurrency: callers, Ledger: b.ledgerPath()})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	failed := map[int]bool{}
	if kill {
		if _, err := await(c, n/10, truthPatience); err != nil {
			return nil, err
		}
		c.kill()
	} else {
		if _, err := await(c, n, truthPatience); err != nil {
			return nil, err
		}
		done, err := stop(c)
		if err != nil {
			return nil, err
		}
		for _, number := range done.Failed {
			failed[number] = true
		}
	}
	if err := b.slow(0); err != nil {
		return nil, err
	}
	var found map[int]int
	if err := b.server.ask(serverRequest{Op: "bodies", Patience: 2 * truthPatience}, &found); err != nil {
		return nil, err
	}
	told, err := readLedger(b.ledgerPath())
	if err != nil {
		return nil, err
	}
	f := figures{"told": float64(len(told)), "refused": float64(len(failed)), "absent": 0, "despite": 0, "double": 0}
	for _, r := range told {
		if found[r.N] == 0 {
			f["absent"]++
		}
	}
	for number, times := range found {
		if failed[number] {
			f["despite"]++
		}
		if times > 1 {
			f["double"]++
		}
	}
	return f, nil
}

var truthColumns = []column{
	{key: "told", title: "publishes answered with nil"},
	{key: "absent", title: "of these not in the queue", worst: true},
	{key: "refused", title: "answered with an error"},
	{key: "despite", title: "of these in the queue all the same", worst: true},
	{key: "double", title: "in the queue twice", worst: true},
}

func publishPartial() scenario {
	const name = "publish-partial"
	return scenario{
		name: name, title: "30 % of the entries of batches fail, 32 callers",
		contestants: []string{ours, batcher, goCloud},
		columns:     truthColumns,
		bars: func(all results) []bar {
			f := all[name][ours]
			return []bar{atMost("partial failures: every caller is told its own entry's fate", f["absent"]+f["despite"]+f["double"], 0, 0, " untrue")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return publishTruth(ctx, o, 2000, 32, 0, false, contestant,
				sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.3})
		},
	}
}

func publishKill() scenario {
	const name = "publish-kill"
	return scenario{
		name: name, title: "kill -9 in mid-load, 64 callers, 15 ms of API latency",
		contestants: []string{ours, batcher, goCloud},
		columns:     truthColumns[:2],
		bars: func(all results) []bar {
			return []bar{atMost("killed: every message whose Publish returned nil is in the queue", all[name][ours]["absent"], 0, 0, " missing")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return publishTruth(ctx, o, 20_000, 64, 15*time.Millisecond, true, contestant)
		},
	}
}
