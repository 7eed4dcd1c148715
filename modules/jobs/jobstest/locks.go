package jobstest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
)

// Locks tests that an implementation keeps what jobs.Locks promises.
func Locks(t *testing.T, open func(t *testing.T) jobs.Locks) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, jobs.Locks){
		"HasOneOwner":           locksOneOwner,
		"AreReleasedByTheOwner": locksReleased,
		"Expire":                locksExpire,
		"GoToOneOfMany":         locksOneOfMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func mustLock(t *testing.T, l jobs.Locks, key, owner string, ttl time.Duration, want bool) {
	t.Helper()
	got, err := l.Lock(t.Context(), key, owner, ttl)
	if err != nil || got != want {
		t.Errorf("Lock(%q, %q): %v, %v; want %v", key, owner, got, err, want)
	}
}

func locksOneOwner(t *testing.T, l jobs.Locks) {
	mustLock(t, l, "k", "a", time.Hour, true)
	mustLock(t, l, "k", "b", time.Hour, false)
	mustLock(t, l, "k", "a", time.Hour, true) // it has it
	mustLock(t, l, "other", "b", time.Hour, true)
	mustLock(t, l, "K", "b", time.Hour, true)
}

func locksReleased(t *testing.T, l jobs.Locks) {
	unlock := func(key, owner string) {
		t.Helper()
		if err := l.Unlock(t.Context(), key, owner); err != nil {
			t.Errorf("Unlock(%q, %q): %v", key, owner, err)
		}
	}
	unlock("never locked", "a")
	mustLock(t, l, "k", "a", time.Hour, true)
	unlock("k", "b")
	unlock("k", "")
	mustLock(t, l, "k", "b", time.Hour, false)
	unlock("k", "a")
	mustLock(t, l, "k", "b", time.Hour, true)
	unlock("k", "a") // late: it is another's now
	mustLock(t, l, "k", "a", time.Hour, false)
}

// Only that they expire: how soon depends on the machine.
func locksExpire(t *testing.T, l jobs.Locks) {
	mustLock(t, l, "long", "a", time.Hour, true)
	mustLock(t, l, "short", "a", time.Hour, true)
	mustLock(t, l, "short", "a", 50*time.Millisecond, true) // the time counts anew
	give := time.Now().Add(30 * time.Second)
	for pause := time.Millisecond; ; pause *= 2 {
		got, err := l.Lock(t.Context(), "short", "b", time.Hour)
		if err != nil || time.Now().After(give) {
			t.Fatalf("a lock of 50ms is held after 30s: %v", err)
		}
		if got {
			break
		}
		timer := time.NewTimer(pause)
		<-timer.C
	}
	if err := l.Unlock(t.Context(), "short", "a"); err != nil {
		t.Error(err)
	}
	mustLock(t, l, "short", "c", time.Hour, false) // a's release was of no lock of a's
	mustLock(t, l, "long", "b", time.Hour, false)
}

func locksOneOfMany(t *testing.T, l jobs.Locks) {
	const rounds, owners = 10, 8
	for round := range rounds {
		var got atomic.Int32
		var all sync.WaitGroup
		start := make(chan struct{})
		for owner := range owners {
			all.Go(func() {
				<-start
				mine, err := l.Lock(t.Context(), fmt.Sprint(round), fmt.Sprint(owner), time.Hour)
				if err != nil {
					t.Error(err)
				}
				if mine {
					got.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if got.Load() != 1 {
			t.Errorf("%d of %d owners got the lock", got.Load(), owners)
		}
	}
}
