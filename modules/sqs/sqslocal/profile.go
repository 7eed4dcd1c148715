package sqslocal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// profiles are sets of faults that belong together.
var profiles = map[string][]Fault{
	"slow": {{Effect: Slow, Latency: Latency{P50: 20 * time.Millisecond, P99: 300 * time.Millisecond}}},
	"flaky": {
		{Effect: ServerError, Probability: 0.03},
		{Effect: Unavailable, Probability: 0.02},
		{Effect: ResetBefore, Probability: 0.02},
		{Effect: ResetAfter, Probability: 0.02},
	},
	"throttled":  {{Effect: Throttle, Probability: 0.3}},
	"partial":    {{Effect: PartialBatch, Probability: 0.1}},
	"duplicates": {{Effect: Duplicate, Probability: 0.05}},
	"cut-polls":  {{Effect: CutPoll, Action: "ReceiveMessage", Probability: 0.2, Latency: Latency{P50: 200 * time.Millisecond, P99: 2 * time.Second}}},
	"outage":     {{Effect: ResetBefore}},
}

// Profile returns the faults of a name: slow, flaky, throttled, partial, duplicates, cut-polls, outage, or chaos for all but
// the outage.
func Profile(name string) ([]Fault, error) {
	if name == "chaos" {
		var all []Fault
		for _, one := range slices.Sorted(maps.Keys(profiles)) {
			if one != "outage" {
				all = append(all, profiles[one]...)
			}
		}
		return all, nil
	}
	if faults, known := profiles[name]; known {
		return slices.Clone(faults), nil
	}
	return nil, fmt.Errorf("fault profile %q is unknown: use chaos, %s", name, strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
}
