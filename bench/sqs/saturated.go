package rig

import (
	"context"
	"fmt"
	"time"
)

// load sizes a scenario with a full queue. The measured window begins when a fifth of the messages is handled, so that a
// contestant may find its pace, and ends before the queue runs dry.
type load struct {
	n           int
	latency     time.Duration
	visibility  time.Duration // default 30 s
	cost        time.Duration
	concurrency int           // default the contestant's own
	warm        time.Duration // the longest that a slow contestant may take to its window
	window      time.Duration // the longest window
}

// saturate measures one contestant on a full queue.
func saturate(ctx context.Context, o Options, name string, l load, contestant string) (figures, error) {
	b, err := newBed(ctx, o, name, max(l.visibility, 30*time.Second))
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.fill(l.n); err != nil {
		return nil, err
	}
	if err := b.slow(l.latency); err != nil {
		return nil, err
	}
	c, err := b.consumer(job{Contestant: contestant, N: l.n, Cost: l.cost, Concurrency: l.concurrency})
	if err != nil {
		return nil, err
	}
	defer c.kill()

	from, err := await(c, l.n/5, l.warm)
	if err != nil {
		return nil, err
	}
	before, err := b.mark()
	if err != nil {
		return nil, err
	}
	to, err := await(c, l.n*9/10, l.window)
	if err != nil {
		return nil, err
	}
	after, err := b.mark()
	if err != nil {
		return nil, err
	}
	if o.Profile != "" {
		if _, err := stop(c); err != nil {
			return nil, err
		}
	}
	if to.Stopped != "" {
		return nil, fmt.Errorf("it gave up: %s", to.Stopped)
	}
	f := perMessage(from, to)
	if f != nil {
		f["requests"] = float64(after.requests(before)) / float64(to.Count-from.Count)
		f["polls"] = float64(after.Queue.Polls)
		f[keyTwice] = float64(to.Twice)
	}
	return f, nil
}

// perMessage divides what was used between two moments by the messages handled between them.
func perMessage(from, to usage) figures {
	n := float64(to.Count - from.Count)
	if n <= 0 {
		return nil
	}
	return figures{
		keyRate:  n / to.At.Sub(from.At).Seconds(),
		keyCPU:   float64((to.CPU - from.CPU).Nanoseconds()) / 1e3 / n,
		"allocs": float64(to.Allocs-from.Allocs) / n,
		"bytes":  float64(to.Bytes-from.Bytes) / n,
	}
}

var saturatedColumns = []column{
	{key: keyRate, title: "messages/s", ratio: strong},
	{key: "requests", title: "requests/message", decimals: 3, ratio: strong},
	{key: keyCPU, title: "client CPU us/message", decimals: 1, ratio: strong},
	{key: "allocs", title: "allocs/message", ratio: strong},
	{key: "bytes", title: "bytes/message"},
	{key: keyTwice, title: "handled twice", worst: true},
}

// saturatedBars need the strong loop beside ours.
func saturatedBars(name string) func(results) []bar {
	return func(all results) []bar {
		if !all.have(name, ours, strong) {
			return nil
		}
		bars := []bar{
			atMost("at most 0.21 requests per message", all[name][ours]["requests"], 0.21, 3, ""),
			atMost("client CPU per message at most 1.1 x the strong loop's", all.ratio(name, keyCPU, ours, strong), 1.1, 2, " x"),
			atMost("allocations at most 1.1 x the strong loop's", all.ratio(name, "allocs", ours, strong), 1.1, 2, " x"),
		}
		if idle := all["saturated-0ms"][ours][keyRate]; name == "saturated-15ms" && idle > 0 {
			bars = append(bars, atLeast("at 15 ms at least 0.8 x our own rate at 0 ms", all[name][ours][keyRate]/idle, 0.8, 2, " x"))
		}
		return bars
	}
}

// saturatedScenario is a full queue and a handler that does nothing.
func saturatedScenario(latency time.Duration) scenario {
	name := fmt.Sprintf("saturated-%dms", latency.Milliseconds())
	return scenario{
		name:        name,
		title:       fmt.Sprintf("a full queue, a handler that does nothing, %v of API latency, default configuration", latency),
		contestants: []string{ours, strong, goCloud, naive},
		columns:     saturatedColumns,
		bars:        saturatedBars(name),
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return saturate(ctx, o, name, load{n: 30_000, latency: latency, warm: time.Second, window: 3 * time.Second}, contestant)
		},
	}
}

// handler50 is a handler that waits 50 ms, 64 at a time.
func handler50() scenario {
	const name, at, cost = "handler-50ms", 64, 50 * time.Millisecond
	const ideal = at / 0.05
	return scenario{
		name: name, title: "a full queue, a handler of 50 ms, 64 at a time, 15 ms of API latency",
		contestants: []string{ours, strong, goCloud},
		columns: append([]column{{key: "ideal", title: "of the ideal rate", decimals: 3}},
			saturatedColumns[1:]...),
		bars: func(all results) []bar {
			return []bar{atLeast("at least 97 % of the ideal rate", all[name][ours]["ideal"], 0.97, 3, "")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			f, err := saturate(ctx, o, name, load{
				n: 5_000, latency: 15 * time.Millisecond, cost: cost, concurrency: at,
				warm: 2 * time.Second, window: 4 * time.Second,
			}, contestant)
			if f != nil {
				f["ideal"] = f[keyRate] / ideal
			}
			return f, err
		},
	}
}

// untuned is a handler of 50 ms and nobody who says how many at a time.
func untuned() scenario {
	const name = "untuned-50ms"
	return scenario{
		name: name, title: "a full queue, a handler of 50 ms, 15 ms of API latency, default configuration; the second half of 6 s",
		contestants: []string{ours, strong, goCloud},
		columns:     saturatedColumns,
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return saturate(ctx, o, name, load{
				n: 20_000, latency: 15 * time.Millisecond, cost: 50 * time.Millisecond,
				warm: 3 * time.Second, window: 3 * time.Second,
			}, contestant)
		},
	}
}
