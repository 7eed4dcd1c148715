package rig

import (
	"context"
	"time"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// weather is bad but not an outage: 5 % errors, 2 % throttles, 1 % resets, half of them after the action is
// done, and 5 % of the entries of delete batches.
var weather = []sqslocal.Fault{
	{Effect: sqslocal.ServerError, Probability: 0.05},
	{Effect: sqslocal.Throttle, Probability: 0.02},
	{Effect: sqslocal.ResetBefore, Probability: 0.005},
	{Effect: sqslocal.ResetAfter, Probability: 0.005},
	{Effect: sqslocal.PartialBatch, Action: "DeleteMessageBatch", Probability: 0.05},
}

// faultLoad sizes the faults' scenario.
type faultLoad struct {
	n          int
	ours       int // messages for ours, where it needs more for a window of seconds; 0 means n
	latency    time.Duration
	cost       time.Duration
	at         int
	visibility time.Duration
	patience   time.Duration // for the queue to be empty
}

// bearFaults lets the contestant work in bad weather until the queue is empty.
func bearFaults(ctx context.Context, o Options, l faultLoad, contestant string, bad bool) (figures, error) {
	if contestant == ours && l.ours > 0 {
		l.n = l.ours
	}
	b, err := newBed(ctx, o, "faults", l.visibility)
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
	if bad {
		if err := b.slow(l.latency, weather...); err != nil {
			return nil, err
		}
	}
	before, err := b.mark()
	if err != nil {
		return nil, err
	}
	from, err := await(c, l.n/5, l.patience)
	if err != nil {
		return nil, err
	}
	to, err := await(c, l.n*9/10, l.patience)
	if err != nil {
		return nil, err
	}
	f := figures{keyRate: 0}
	if n := to.Count - from.Count; n > 0 {
		f[keyRate] = float64(n) / to.At.Sub(from.At).Seconds()
	}
	left, err := b.drain(l.patience)
	if err != nil {
		return nil, err
	}
	after, err := b.mark()
	if err != nil {
		return nil, err
	}
	last, err := await(c, 0, 0)
	if err != nil {
		return nil, err
	}
	if last.Stopped != "" {
		f["stopped"] = 1
	}
	all, err := b.lives()
	if err != nil {
		return nil, err
	}
	calls := float64(after.requests(before))
	f["left"], f[keyLost], f[keyTwice] = float64(left), float64(all.lost()), float64(all.twice())
	f["handled"] = float64(len(all.handled()))
	f["success"] = 1
	if calls > 0 {
		f["success"] = 1 - float64(after.Failed-before.Failed)/calls
		f["yield"] = f["handled"] / (calls * f["success"])
	}
	return f, nil
}

// faultRun compares bad weather with good.
func faultRun(ctx context.Context, o Options, l faultLoad, contestant string) (figures, error) {
	good, err := bearFaults(ctx, o, l, contestant, false)
	if err != nil {
		return nil, err
	}
	f, err := bearFaults(ctx, o, l, contestant, true)
	if err != nil {
		return nil, err
	}
	f["good"] = good[keyRate]
	if good[keyRate] > 0 && f["success"] > 0 {
		f["kept"] = f[keyRate] / good[keyRate] / f["success"]
		f["yield"] /= good["yield"]
	}
	return f, nil
}

func faultScenario(name, title string, l faultLoad) scenario {
	return scenario{
		name: name, title: title,
		contestants: []string{ours, strong, goCloud},
		columns: []column{
			{key: keyLost, title: keyLost, worst: true},
			{key: keyTwice, title: "handled twice", worst: true},
			{key: "stopped", title: "stopped for good", worst: true},
			{key: "left", title: "left in the queue", worst: true},
			{key: "good", title: "messages/s without faults"},
			{key: keyRate, title: "with faults"},
			{key: "success", title: "calls that succeed", decimals: 3},
			{key: "kept", title: "rate kept per successful call", decimals: 2},
			{key: "yield", title: "messages per successful call, of those without faults", decimals: 2},
		},
		bars: func(all results) []bar {
			f := all[name][ours]
			return []bar{
				none("faults: nothing lost", f[keyLost]+f["left"]),
				none("faults: none handled twice", f[keyTwice]),
				atLeast("faults: at least 0.9 x the fault-free rate per successful call", f["kept"], 0.9, 2, " x"),
			}
		},
		run: func(ctx context.Context, o Options, contestant string) (figures, error) {
			return faultRun(ctx, o, l, contestant)
		},
	}
}
