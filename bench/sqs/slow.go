package rig

import (
	"context"
	"time"
)

// slowLoad mixes messages whose handler outlives the visibility timeout into quick ones.
type slowLoad struct {
	n          int
	cost       time.Duration
	slowEvery  int
	slowCost   time.Duration
	visibility time.Duration
	at         int
}

// slowHandlers measures what slow messages do to the others, and whether they are handled twice.
func slowHandlers(ctx context.Context, o Options, l slowLoad, contestant string) (figures, error) {
	b, err := newBed(ctx, o, "slow-handlers", l.visibility)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.fill(l.n); err != nil {
		return nil, err
	}
	began := time.Now()
	c, err := b.consumer(job{
		Contestant: contestant, N: l.n, Cost: l.cost, SlowEvery: l.slowEvery, SlowCost: l.slowCost,
		Concurrency: l.at, Ledger: b.ledgerPath(),
	})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	left, err := b.drain(3 * l.slowCost)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	if _, err := stop(c); err != nil {
		return nil, err
	}
	all, err := b.lives()
	if err != nil {
		return nil, err
	}
	waits := all.waits()
	return figures{
		"took": took.Seconds(), "left": float64(left), keyTwice: float64(all.twice()), keyLost: float64(all.lost()),
		keyP99: quantile(waits, 0.99), "max": quantile(waits, 1), "behind": float64(behind(all.runs, l)),
	}, nil
}

// behind counts quick messages that were handled only after a slow one had ended.
func behind(runs []run, l slowLoad) (n int) {
	slowEnded := false
	for _, r := range runs {
		if isSlow(r.N, l.slowEvery) {
			slowEnded = true
		} else if slowEnded {
			n++
		}
	}
	return n
}

func slowScenario() scenario {
	const name = "slow-handlers"
	return scenario{
		name: name, title: "1 % of the handlers take 5 s, the others 10 ms; visibility 2 s; 16 at a time",
		contestants: []string{ours, strong, goCloud},
		columns: []column{
			{key: keyTwice, title: "handled twice", worst: true},
			{key: keyLost, title: keyLost, worst: true},
			{key: "left", title: "still in the queue after 15 s", worst: true},
			{key: "behind", title: "quick ones behind a slow one"},
			{key: keyP99, title: "p99 wait from receive to handler, ms"},
			{key: "max", title: "longest, ms"},
			{key: "took", title: "all done, s", decimals: 1},
		},
		bars: func(all results) []bar {
			f := all[name][ours]
			return []bar{
				none("slow handlers: no duplicate", f[keyTwice]),
				none("slow handlers: no head-of-line wait (no quick message waits for a slow one to end)", f["behind"]),
			}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return slowHandlers(ctx, o, slowLoad{
				n: 1000, cost: 10 * time.Millisecond, slowEvery: 100, slowCost: 5 * time.Second,
				visibility: 2 * time.Second, at: 16,
			}, contestant)
		},
	}
}
