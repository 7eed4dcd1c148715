package rig

import "time"

// scenarios in the order in which they run.
var scenarios = []scenario{
	saturatedScenario(0),
	saturatedScenario(15 * time.Millisecond),
	handler50(),
}
