package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// memoryBatches is the default of BatchStore.
type memoryBatches struct {
	mu    sync.Mutex
	kept  map[string]*memoryBatch
	order []string // of creation
}

type memoryBatch struct {
	state BatchState
	items map[string]ItemState
}

var errTooManyBatches = errors.New("unfinished batches fill the store in memory: use a BatchStore that keeps more")

const maxMemoryBatches = 1000

func newMemoryBatches() *memoryBatches { return &memoryBatches{kept: map[string]*memoryBatch{}} }

func (m *memoryBatches) Create(_ context.Context, b BatchState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept[b.ID] != nil {
		return nil
	}
	if len(m.kept) >= maxMemoryBatches {
		i := slices.IndexFunc(m.order, func(id string) bool { return !m.kept[id].state.FinishedAt.IsZero() })
		if i < 0 {
			return fmt.Errorf("%d %w", len(m.kept), errTooManyBatches)
		}
		delete(m.kept, m.order[i])
		m.order = slices.Delete(m.order, i, i+1)
	}
	m.kept[b.ID] = &memoryBatch{state: b.clone(), items: map[string]ItemState{}}
	m.order = append(m.order, b.ID)
	return nil
}

func (m *memoryBatches) Find(_ context.Context, id string) (BatchState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.kept[id]
	if b == nil {
		return BatchState{}, ErrNotFound
	}
	return b.state.clone(), nil
}

func (m *memoryBatches) Update(_ context.Context, id, item string, change func(*BatchState, *ItemState)) (BatchState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.kept[id]
	if b == nil {
		return BatchState{}, ErrNotFound
	}
	state := b.items[item]
	change(&b.state, &state)
	if item != "" {
		b.items[item] = state
	}
	return b.state.clone(), nil
}

// clone shares nothing that changes.
func (b *BatchState) clone() BatchState {
	c := *b
	for _, callback := range []**Callback{&c.Then, &c.Catch, &c.Finally} {
		if *callback != nil {
			copied := **callback
			*callback = &copied
		}
	}
	return c
}
