package rig

import (
	"context"
	"time"
)

// termLoad is what a client is at when SIGTERM comes.
type termLoad struct {
	n       int // 0 leaves the queue empty
	cost    time.Duration
	latency time.Duration
	after   time.Duration // from the start to the signal
	at      int
}

// terminate sends SIGTERM and looks at what is left the moment the process has ended.
func terminate(ctx context.Context, o Options, l termLoad, contestant string) (figures, error) {
	b, err := newBed(ctx, o, "sigterm", 30*time.Second)
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
	c, err := b.consumer(job{Contestant: contestant, N: l.n, Cost: l.cost, Concurrency: l.at, Ledger: b.ledgerPath()})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	pause(ctx, l.after)
	took, err := c.terminate()
	if err != nil {
		return nil, err
	}
	m, err := b.mark()
	if err != nil {
		return nil, err
	}
	all, err := b.lives()
	if err != nil {
		return nil, err
	}
	return figures{
		"exit": took.Seconds(), "invisible": float64(m.Queue.InFlight), keyTwice: float64(all.twice() + all.again()),
		keyLost: float64(all.lost()), "handled": float64(len(all.runs)), "unstarted": float64(all.unstarted()),
	}, nil
}

func termScenario() scenario {
	const name = "sigterm"
	return scenario{
		name: name, title: "SIGTERM in mid-load, handlers of 200 ms, 15 ms of API latency, default configuration",
		contestants: []string{ours, strong, goCloud, naive},
		columns: []column{
			{key: keyTwice, title: "duplicates", worst: true},
			{key: "invisible", title: "left invisible", worst: true},
			{key: keyLost, title: keyLost, worst: true},
			{key: "exit", title: "exit, s", decimals: 2, worst: true},
			{key: "handled", title: "handled"},
			{key: "unstarted", title: "received and not handled"},
		},
		bars: func(all results) []bar {
			f := all[name][ours]
			return []bar{
				none("SIGTERM: no duplicate", f[keyTwice]),
				none("SIGTERM: no message left invisible", f["invisible"]),
				atMost("SIGTERM: exit within the slowest handler + 1 s", f["exit"], 1.2, 2, " s"),
			}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return terminate(ctx, o, termLoad{
				n: 5000, cost: 200 * time.Millisecond, latency: 15 * time.Millisecond, after: 1500 * time.Millisecond,
			}, contestant)
		},
	}
}

// termIdleScenario is the deploy at night: nothing to do but a long poll to end.
func termIdleScenario() scenario {
	return scenario{
		name: "sigterm-idle", title: "SIGTERM while the queue is empty, default configuration",
		contestants: []string{ours, strong, goCloud, naive},
		columns:     []column{{key: "exit", title: "exit, s", decimals: 2, worst: true}},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return terminate(ctx, o, termLoad{after: time.Second}, contestant)
		},
	}
}
