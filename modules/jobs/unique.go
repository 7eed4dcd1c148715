package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// Locks keep unique jobs from being queued twice. Safe for concurrent use. The package jobstest holds the
// suite that every implementation passes.
//
// The default keeps locks in this process's memory: it does not know of jobs that other processes queued,
// forgets when the process ends, and where another process runs the job, nobody releases the lock before it
// expires. Several processes that dispatch the same unique jobs need one that they share.
type Locks interface {
	// Lock takes the lock for owner until ttl has passed. It answers true if owner has it now, which
	// includes that owner had it before, and false while another owner's has not expired.
	Lock(ctx context.Context, key, owner string, ttl time.Duration) (bool, error)
	// Unlock releases the lock if it is owner's; else it does nothing.
	Unlock(ctx context.Context, key, owner string) error
}

// lockKey tells equal jobs.
func lockKey(t Task, key string) (string, error) {
	if key != "" {
		return t.def.name + ":" + key, nil
	}
	args, err := json.Marshal(t.args)
	if err != nil {
		return "", events.Permanent(fmt.Errorf("jobs: arguments of unique job %q: %w: give it a UniqueKey", t.def.name, err))
	}
	sum := sha256.Sum256(args)
	return t.def.name + "#" + hex.EncodeToString(sum[:]), nil
}

// lock takes the task's lock, if it is unique. It answers false if an equal job has it.
func (d *Dispatcher) lock(ctx context.Context, t Task, key string) (mine bool, err error) {
	if key == "" {
		return true, nil
	}
	mine, err = d.locks.Lock(ctx, key, t.id, t.all().unique)
	if err != nil {
		return false, fmt.Errorf("jobs: locking unique job %q: %w", t.def.name, err)
	}
	if !mine {
		d.tel.duplicate(ctx, t.def.event)
		d.log.Debug("unique job is queued already", zap.String("job", t.def.name), zap.String("key", key))
	}
	return mine, nil
}

// unlock releases a job's lock, if it has one. What fails expires.
func (d *Dispatcher) unlock(ctx context.Context, key, owner string) {
	if key == "" {
		return
	}
	if err := d.locks.Unlock(context.WithoutCancel(ctx), key, owner); err != nil {
		d.log.Warn("lock of unique job not released, it expires", zap.String("key", key), zap.Error(err))
	}
}

// memoryLocks is the default of Locks.
type memoryLocks struct {
	mu    sync.Mutex
	held  map[string]memoryLock
	sweep int // how many locks to clear of expired ones at
}

type memoryLock struct {
	owner string
	until time.Time
}

const minSweep = 1000

func newMemoryLocks() *memoryLocks {
	return &memoryLocks{held: map[string]memoryLock{}, sweep: minSweep}
}

func (m *memoryLocks) Lock(_ context.Context, key, owner string, ttl time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if l, held := m.held[key]; held && l.owner != owner && now.Before(l.until) {
		return false, nil
	}
	m.held[key] = memoryLock{owner: owner, until: now.Add(ttl)}
	if len(m.held) >= m.sweep {
		for key, l := range m.held {
			if !now.Before(l.until) {
				delete(m.held, key)
			}
		}
		m.sweep = max(2*len(m.held), minSweep)
	}
	return true, nil
}

func (m *memoryLocks) Unlock(_ context.Context, key, owner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[key].owner == owner {
		delete(m.held, key)
	}
	return nil
}
