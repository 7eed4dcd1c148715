package rig

import (
	"context"
	"time"
)

// trickle measures the way of a message through a nearly empty queue.
func trickle(ctx context.Context, o Options, n int, every, latency time.Duration, contestant string) (figures, error) {
	b, err := newBed(ctx, o, "trickle", 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.slow(latency); err != nil {
		return nil, err
	}
	c, err := b.consumer(job{Contestant: contestant, N: n, Ledger: b.ledgerPath()})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	before, err := b.mark()
	if err != nil {
		return nil, err
	}
	if err := b.server.ask(serverRequest{Op: "trickle", N: n, Every: every}, nil); err != nil {
		return nil, err
	}
	left, err := b.drain(5 * time.Second)
	if err != nil {
		return nil, err
	}
	after, err := b.mark()
	if err != nil {
		return nil, err
	}
	all, err := b.lives()
	if err != nil {
		return nil, err
	}
	latencies := all.latencies()
	return figures{
		"p50": quantile(latencies, 0.5), keyP99: quantile(latencies, 0.99), "left": float64(left), keyTwice: float64(all.twice()),
		"requests": float64(after.requests(before)-after.requests(before, "SendMessage", "SendMessageBatch")) / float64(n),
	}, nil
}

func trickleScenario() scenario {
	const name, latency = "trickle", 15 * time.Millisecond
	return scenario{
		name: name, title: "20 messages/s, a handler that does nothing, 15 ms of API latency",
		contestants: []string{ours, strong, goCloud, naive},
		columns: []column{
			{key: "p50", title: "p50 from send to handler, ms", decimals: 1, ratio: strong},
			{key: keyP99, title: "p99, ms", decimals: 1, ratio: strong},
			{key: "requests", title: "requests/message", decimals: 2, ratio: strong},
		},
		bars: func(all results) []bar {
			return []bar{atMost("trickle: p99 under 2 x API latency + 5 ms", all[name][ours][keyP99], 35, 1, " ms")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return trickle(ctx, o, 120, 50*time.Millisecond, latency, contestant)
		},
	}
}

// ourWaitTime is the default of a long poll of ours: what the default stop budget allows.
const ourWaitTime = 5 * time.Second

// idle counts what an empty queue costs.
func idle(ctx context.Context, o Options, window time.Duration, contestant string) (figures, error) {
	b, err := newBed(ctx, o, "idle", 30*time.Second)
	if err != nil {
		return nil, err
	}
	defer b.close()
	c, err := b.consumer(job{Contestant: contestant, N: 1})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	pause(ctx, time.Second) // its first polls are not idle's
	from, err := await(c, 1, 0)
	if err != nil {
		return nil, err
	}
	before, err := b.mark()
	if err != nil {
		return nil, err
	}
	pause(ctx, window)
	after, err := b.mark()
	if err != nil {
		return nil, err
	}
	to, err := await(c, 1, 0)
	if err != nil {
		return nil, err
	}
	return figures{
		"polls":  float64(after.requests(before, "ReceiveMessage")),
		"others": float64(after.requests(before) - after.requests(before, "ReceiveMessage")),
		keyCPU:   float64((to.CPU - from.CPU).Microseconds()) / 1e3 / window.Seconds(),
	}, nil
}

func idleScenario() scenario {
	const name, window = "idle", 2 * ourWaitTime
	return scenario{
		name: name, title: "an empty queue for 10 s",
		contestants: []string{ours, strong, goCloud, naive},
		columns: []column{
			{key: "polls", title: "polls"},
			{key: "others", title: "other requests"},
			{key: keyCPU, title: "client CPU ms/s", decimals: 2},
		},
		bars: func(all results) []bar {
			return []bar{atMost("idle: one poll per WaitTime (5 s by default) and no more: 2 in 10 s", all[name][ours]["polls"], 2, 0, "")}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return idle(ctx, o, window, contestant)
		},
	}
}
