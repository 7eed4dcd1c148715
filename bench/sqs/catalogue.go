package rig

import "time"

// scenarios in the order in which they run.
var scenarios = []scenario{
	saturatedScenario(0),
	saturatedScenario(15 * time.Millisecond),
	handler50(),
	untuned(),
	slowScenario(),
	trickleScenario(),
	idleScenario(),
	termScenario(),
	termIdleScenario(),
	faultScenario("faults", "5 % errors, 2 % throttles, 1 % resets, 5 % of the entries of deletes fail; a full queue, a handler that does nothing",
		faultLoad{n: 10_000, ours: 60_000, latency: 15 * time.Millisecond, visibility: 3 * time.Second, patience: 20 * time.Second}),
	faultScenario("faults-busy", "the same with a handler of 50 ms, 64 at a time",
		faultLoad{
			n: 5_000, latency: 15 * time.Millisecond, cost: 50 * time.Millisecond, at: 64,
			visibility: 3 * time.Second, patience: 20 * time.Second,
		}),
	publish64(),
	publishLone(),
	publishPartial(),
	publishKill(),
}
