package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// MetadataReplay is set to "true" in the metadata of events that come from
// Replay, for listeners that must tell.
const MetadataReplay = "fxpond.replay"

// Replay chooses what to replay, and into whom.
type Replay struct {
	// Query selects the events.
	Query Query
	// Listeners names the listeners that see them; there is no default, since
	// most listeners must not run twice. Of these, each sees the events that its
	// pattern selects.
	Listeners []string
	// KeepGoing goes on after a failure instead of ending there.
	KeepGoing bool
}

// ReplayReport counts what a replay did.
type ReplayReport struct {
	Read    int // events read
	Handled int // events that all chosen listeners finished
	Ignored int // events that none of the chosen listeners wants
	Failed  int // events that some chosen listener failed on
	// Next continues where the replay ended: after the last event that did not
	// fail, if it ended at a failure.
	Next Cursor
}

// Replay reads events from a store and runs the chosen listeners on them, one
// event after the other. The ledger is not asked, and nothing is recorded
// again. The error is the first failure, or with KeepGoing all of them joined.
func (b *Bus) Replay(ctx context.Context, store Store, replay Replay) (ReplayReport, error) {
	report := ReplayReport{Next: replay.Query.After}
	chosen, err := b.choose(replay.Listeners)
	if err != nil {
		return report, fmt.Errorf("replaying: %w", err)
	}
	var errs []error
	for r, err := range store.Read(ctx, replay.Query) {
		if err != nil {
			return report, errors.Join(append(errs, fmt.Errorf("replaying: %w", err))...)
		}
		report.Read++
		ran, err := b.replayOne(ctx, r.Event, chosen)
		switch {
		case err != nil:
			report.Failed++
			errs = append(errs, err)
			if !replay.KeepGoing {
				return report, errors.Join(errs...)
			}
		case ran:
			report.Handled++
		default:
			report.Ignored++
		}
		report.Next = r.Cursor
	}
	return report, errors.Join(errs...)
}

func (b *Bus) choose(names []string) (*router, error) {
	if len(names) == 0 {
		return nil, errors.New("no listeners chosen")
	}
	var (
		chosen []*route
		errs   []error
	)
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		i := slices.IndexFunc(b.routes, func(rt *route) bool { return rt.name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("there is no listener %q", name))
			continue
		}
		chosen = append(chosen, b.routes[i])
	}
	return newRouter(chosen), errors.Join(errs...)
}

func (b *Bus) replayOne(ctx context.Context, e Any, chosen *router) (ran bool, err error) {
	to := chosen.match(e.Name)
	if len(to.routes) == 0 {
		return false, nil
	}
	e.Metadata = maps.Clone(e.Metadata)
	if e.Metadata == nil {
		e.Metadata = make(map[string]string, 1)
	}
	e.Metadata[MetadataReplay] = "true"
	r := b.newRun(to)
	r.load(&e)
	if !r.stages(ctx) {
		return true, r.outcome(&e).Err()
	}
	r.logSkips(&e)
	r.release()
	return true, nil
}
