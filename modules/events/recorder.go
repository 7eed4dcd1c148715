package events

import (
	"context"
	"fmt"
	"slices"
)

// recorder appends the events that Config.Record selects to the store.
type recorder struct {
	store    Store
	patterns *router
}

// newRecorder returns nil if nothing is to be recorded.
func newRecorder(patterns []string, store Store) (*recorder, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	routes := make([]*route, len(patterns))
	for i, pattern := range patterns {
		if err := CheckPattern(pattern); err != nil {
			return nil, badField("Record", patterns, err.Error(), `use names, "user.*" or "**"`)
		}
		routes[i] = &route{pattern: pattern}
	}
	if store == nil {
		return nil, badField("Record", patterns, "there is no store to record into", "use WithStore, or supply a Store")
	}
	return &recorder{store: store, patterns: newRouter(slices.Clip(routes))}, nil
}

// append records the event before any listener sees it. What cannot be recorded
// is not delivered: the log must not have holes.
func (r *recorder) append(ctx context.Context, e *Any) error {
	if len(r.patterns.match(e.Name).routes) == 0 {
		return nil
	}
	if e.ID == "" {
		e.ID = newID()
	}
	if err := r.store.Append(ctx, *e); err != nil {
		return fmt.Errorf("recording event %q: %w", clip(e.Name), err)
	}
	return nil
}
