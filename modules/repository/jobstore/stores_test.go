package jobstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/jobs/jobstest"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
	"github.com/fxpond/fxpond/modules/repository/jobstore"
)

// Each call of a suite goes to another process than the one before.

func TestLocksKeepTheContract(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		jobstest.Locks(t, func(t *testing.T) jobs.Locks { return sharedLocks{twoProcesses(t, dsn(t))} })
	})
}

func TestFailedKeepsTheContract(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		jobstest.Failed(t, func(t *testing.T) jobs.FailedStore { return sharedFailed{twoProcesses(t, dsn(t))} })
	})
}

func TestBatchesKeepTheContract(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		jobstest.Batches(t, func(t *testing.T) jobs.BatchStore { return sharedBatches{twoProcesses(t, dsn(t))} })
	})
}

// At this level the server gives up one of two transactions that meet: the stores repeat it.
func TestTheContractHoldsAtTheStrictestIsolation(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]func(t testing.TB) string{
		"postgres": func(t testing.TB) string {
			return dbtest.With(t, dbtest.Postgres(t), "default_transaction_isolation", "serializable")
		},
		"mysql": func(t testing.TB) string {
			dsn := dbtest.MySQL(t)
			var version string
			must(t, open(t, dsn).SQL(t.Context()).QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
			name := "transaction_isolation"
			if strings.HasPrefix(version, "10.") { // MariaDB
				name = "tx_isolation"
			}
			return dbtest.With(t, dsn, name, "'SERIALIZABLE'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobstest.Locks(t, func(t *testing.T) jobs.Locks { return sharedLocks{twoProcesses(t, dsn(t))} })
			jobstest.Failed(t, func(t *testing.T) jobs.FailedStore { return sharedFailed{twoProcesses(t, dsn(t))} })
			jobstest.Batches(t, func(t *testing.T) jobs.BatchStore { return sharedBatches{twoProcesses(t, dsn(t))} })
		})
	}
}

// What is done with a transaction's context happens if and only if that commits.
func TestTheStoresJoinTheCallersTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		where := dsn(t)
		db := open(t, where)
		mine, other := stores(t, db, jobstore.Config{}), stores(t, open(t, where), jobstore.Config{})
		must(t, mine.Batches.Create(t.Context(), jobs.BatchState{ID: "there", Total: 5}))
		count := func(b *jobs.BatchState, item *jobs.ItemState) { b.Done, *item = b.Done+1, "done" }
		for _, end := range []error{errDown, nil} {
			err := db.Transaction(t.Context(), func(ctx context.Context) error {
				must(t, mine.Failed.Add(ctx, jobs.FailedJob{ID: "f", At: noon}))
				if got, err := mine.Locks.Lock(ctx, "k", "mine", time.Hour); !got || err != nil {
					t.Errorf("Lock: %v, %v", got, err)
				}
				must(t, mine.Batches.Create(ctx, jobs.BatchState{ID: "new"}))
				_, err := mine.Batches.Update(ctx, "there", "a", count)
				must(t, err)
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			committed := end == nil
			_, failed := other.Failed.Find(t.Context(), "f")
			_, created := other.Batches.Find(t.Context(), "new")
			there, err := other.Batches.Find(t.Context(), "there")
			must(t, err)
			if (failed == nil) != committed || (created == nil) != committed || (there.Done == 1) != committed {
				t.Errorf("committed %v; failed job %v, batch %v, update %+v", committed, failed, created, there)
			}
			if got, err := other.Locks.Lock(t.Context(), "k", "other", time.Hour); got == committed || err != nil {
				t.Errorf("committed %v; another process's Lock: %v, %v", committed, got, err)
			}
			must(t, other.Locks.Unlock(t.Context(), "k", "other"))
		}
	})
}

// A change that cannot be kept whole is not kept in part, not even by a caller who goes on.
func TestAnUpdateThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		db := open(t, dsn(t))
		s := stores(t, db, jobstore.Config{})
		must(t, s.Batches.Create(t.Context(), jobs.BatchState{ID: "1", Total: 1, Then: &jobs.Callback{}}))
		must(t, db.Transaction(t.Context(), func(ctx context.Context) error {
			_, err := s.Batches.Update(ctx, "1", "a", func(b *jobs.BatchState, item *jobs.ItemState) {
				b.Done, *item, b.Then.Jobs = 1, "done", json.RawMessage("no JSON")
			})
			if err == nil {
				t.Error("kept a callback that is no JSON")
			}
			return nil
		}))
		b, err := s.Batches.Update(t.Context(), "1", "a", func(_ *jobs.BatchState, item *jobs.ItemState) {
			if *item != "" {
				t.Errorf("the item is %q", *item)
			}
		})
		if err != nil || b.Done != 0 {
			t.Errorf("%+v, %v", b, err)
		}
	})
}

// A process whose database shows two hours later sees the lock of one hour as expired, whatever its own clock
// shows. PostgreSQL finds a function of the test's before its own, MySQL takes the time from the session.
func TestLocksExpireByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(t *testing.T) (dsn, lateDSN string){
		"postgres": func(t *testing.T) (string, string) {
			dsn := dbtest.Postgres(t)
			_, schema, _ := strings.Cut(dsn, "search_path=")
			_, err := open(t, dsn).SQL(t.Context()).ExecContext(t.Context(),
				"CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() + interval ''2 hours'''")
			must(t, err)
			schema, _, _ = strings.Cut(schema, "&")
			return dsn, dbtest.With(t, dsn, "search_path", schema+",pg_catalog")
		},
		"mysql": func(t *testing.T) (string, string) {
			dsn := dbtest.MySQL(t)
			return dsn, dbtest.With(t, dsn, "timestamp", fmt.Sprint(time.Now().Add(2*time.Hour).Unix()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, lateDSN := late(t)
			now := stores(t, open(t, dsn), jobstore.Config{}).Locks
			later := stores(t, open(t, lateDSN), jobstore.Config{}).Locks
			for _, step := range []struct {
				by    jobs.Locks
				owner string
				want  bool
			}{{now, "a", true}, {now, "b", false}, {later, "c", true}, {now, "a", false}} {
				if got, err := step.by.Lock(t.Context(), "k", step.owner, time.Hour); got != step.want || err != nil {
					t.Errorf("%s got the lock: %v, %v", step.owner, got, err)
				}
			}
		})
	}
}

// The key of a unique job is the application's, and of any length and content.
func TestAnyKeyLocks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		l := stores(t, open(t, dsn(t)), jobstore.Config{}).Locks
		keys := []string{"", "a", "A", "ä", "a ", "a'b", "?", "\x00", "\xff", "\xfe", long, long + "y", long[:255], long[:256], "sha256:", "🙂"}
		for _, owner := range []string{"mine", "other"} {
			for _, key := range keys {
				if got, err := l.Lock(t.Context(), key, owner, time.Hour); err != nil || got != (owner == "mine") {
					t.Errorf("%s locks %.20q: %v, %v", owner, key, got, err)
				}
			}
		}
		for _, key := range keys {
			must(t, l.Unlock(t.Context(), key, "mine"))
			if got, err := l.Lock(t.Context(), key, "other", time.Hour); !got || err != nil {
				t.Errorf("%.20q is not released: %v, %v", key, got, err)
			}
		}
	})
}

// A job that cannot be recorded comes back for ever, so every error can be kept.
func TestAnyErrorIsKept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		s := stores(t, open(t, dsn(t)), jobstore.Config{}).Failed
		for _, tc := range []struct{ name, text, want string }{
			{"zero byte", "a\x00b", "a\uFFFDb"},
			{"not UTF-8", "a\xffb", "a\uFFFDb"},
			{"longest", strings.Repeat("x", 64<<10), strings.Repeat("x", 64<<10)},
			{"too long", strings.Repeat("é", 1<<20), strings.Repeat("é", 32<<10)},
			{"cut in a letter", "x" + strings.Repeat("é", 1<<20), "x" + strings.Repeat("é", 32<<10-1) + "\uFFFD"},
			{"all over", "🙂'\"\\\n%?$1", "🙂'\"\\\n%?$1"},
		} {
			must(t, s.Add(t.Context(), jobs.FailedJob{ID: tc.name, Error: tc.text, At: noon}))
			got, err := s.Find(t.Context(), tc.name)
			if err != nil || got.Error != tc.want {
				t.Errorf("%s: kept %d bytes, %.40q, %v", tc.name, len(got.Error), got.Error, err)
			}
		}
		must(t, s.Add(t.Context(), jobs.FailedJob{ID: "empty"}))
		if got, err := s.Find(t.Context(), "empty"); err != nil || len(got.Args) != 0 || got.Envelope != "" || !got.At.IsZero() {
			t.Errorf("empty: %+v, %v", got, err)
		}
	})
}

func TestAllFailedJobsAreListedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		db := open(t, dsn(t))
		s := stores(t, db, jobstore.Config{}).Failed
		var want []string
		must(t, db.Transaction(t.Context(), func(ctx context.Context) error {
			for n := range 200 { // several pages, and many that failed in the same moment
				id := fmt.Sprintf("%03d", n)
				want = append(want, id)
				must(t, s.Add(ctx, jobs.FailedJob{ID: id, At: noon.Add(time.Duration(n / 60))}))
			}
			return nil
		}))
		var got []string
		for job, err := range s.List(t.Context()) {
			must(t, err)
			got = append(got, job.ID)
			if len(got) > len(want) {
				t.Fatal("it lists jobs that failed since, and never ends")
			}
			must(t, s.Remove(t.Context(), job.ID)) // retried, and failed again
			must(t, s.Add(t.Context(), jobs.FailedJob{ID: job.ID, At: noon.Add(time.Hour)}))
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %q", got)
		}
	})
}

func TestWhatIsOldIsSwept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		ctx := t.Context()
		db := open(t, dsn(t))
		s := stores(t, db, jobstore.Config{BatchRetention: time.Hour, SweepInterval: time.Millisecond})
		keeping := stores(t, db, jobstore.Config{BatchRetention: -1, SweepInterval: time.Millisecond})
		count := func(table string) (n int) {
			t.Helper()
			must(t, db.SQL(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n))
			return n
		}
		until := func(what string, ok func() bool) {
			t.Helper()
			for give := time.Now().Add(30 * time.Second); !ok(); {
				if time.Now().After(give) {
					t.Fatalf("waited 30s for %s", what)
				}
			}
		}
		must(t, db.Transaction(ctx, func(ctx context.Context) error {
			for n := range 1100 { // more than one round
				if _, err := s.Locks.Lock(ctx, fmt.Sprint("short", n), "a", time.Nanosecond); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, key := range []string{"long1", "long2"} {
			if mine, err := s.Locks.Lock(ctx, key, "a", time.Hour); !mine || err != nil {
				t.Fatal(mine, err)
			}
		}
		now := time.Now()
		for n := range 110 {
			must(t, s.Batches.Create(ctx, jobs.BatchState{ID: fmt.Sprint("old", n), CreatedAt: noon, FinishedAt: now.Add(-2 * time.Hour)}))
		}
		must(t, s.Batches.Create(ctx, jobs.BatchState{ID: "fresh", CreatedAt: noon, FinishedAt: now}))
		must(t, s.Batches.Create(ctx, jobs.BatchState{ID: "unfinished", CreatedAt: noon}))
		for _, id := range []string{"old7", "fresh", "unfinished"} {
			for _, item := range []string{"a", "b"} {
				_, err := s.Batches.Update(ctx, id, item, func(_ *jobs.BatchState, state *jobs.ItemState) { *state = "done" })
				must(t, err)
			}
		}
		must(t, s.Failed.Add(ctx, jobs.FailedJob{ID: "old", At: noon.Add(-1000 * time.Hour)}))

		must(t, keeping.Start(ctx))
		until("expired locks to go", func() bool { return count("fxpond_job_locks") == 2 })
		must(t, keeping.Stop(ctx))
		if n := count("fxpond_job_batches"); n != 112 {
			t.Errorf("%d batches are left, want all 112", n)
		}

		must(t, s.Start(ctx))
		must(t, s.Start(ctx))
		until("old batches to go", func() bool { return count("fxpond_job_batches") == 2 && count("fxpond_job_items") == 4 })
		must(t, s.Stop(ctx))
		must(t, s.Stop(ctx))
		for _, id := range []string{"fresh", "unfinished"} {
			if _, err := s.Batches.Find(ctx, id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if _, err := s.Failed.Find(ctx, "old"); err != nil {
			t.Errorf("a failed job went: %v", err)
		}
		for _, key := range []string{"long1", "long2"} {
			if mine, err := s.Locks.Lock(ctx, key, "b", time.Hour); mine || err != nil {
				t.Errorf("lock %s that is held went: %v", key, err)
			}
		}
	})
}

// A lock that expired, was found by a sweep, and was taken again meanwhile is not swept.
func TestASweepLeavesALockThatWasTakenAgain(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		s := stores(t, open(t, dsn(t)), jobstore.Config{})
		if mine, err := s.Locks.Lock(t.Context(), "k", "a", time.Hour); !mine || err != nil {
			t.Fatal(mine, err)
		}
		must(t, jobstore.RemoveExpired(t.Context(), s, "k"))
		if mine, err := s.Locks.Lock(t.Context(), "k", "b", time.Hour); mine || err != nil {
			t.Errorf("the lock went: %v, %v", mine, err)
		}
	})
}

func TestAClosedDatabaseIsAnError(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, dsn func(testing.TB) string) {
		ctx := t.Context()
		db := open(t, dsn(t))
		s := stores(t, db, jobstore.Config{})
		must(t, db.Stop(ctx))
		_, lock := s.Locks.Lock(ctx, "k", "a", time.Hour)
		_, failed := s.Failed.Find(ctx, "1")
		_, batch := s.Batches.Find(ctx, "1")
		_, update := s.Batches.Update(ctx, "1", "a", func(*jobs.BatchState, *jobs.ItemState) { t.Error("called") })
		var list error
		for _, err := range s.Failed.List(ctx) {
			list = err
		}
		for what, err := range map[string]error{
			"Lock": lock, "Unlock": s.Locks.Unlock(ctx, "k", "a"),
			"Add": s.Failed.Add(ctx, jobs.FailedJob{ID: "1"}), "failed Find": failed, "Remove": s.Failed.Remove(ctx, "1"), "List": list,
			"Create": s.Batches.Create(ctx, jobs.BatchState{ID: "1"}), "batch Find": batch, "Update": update,
		} {
			if !errors.Is(err, repository.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
