package repository_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/events/eventstest"
	"github.com/fxpond/fxpond/modules/repository"
)

func TestLedgerKeepsTheContract(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		eventstest.Ledger(t, func(t *testing.T) events.Ledger {
			return repository.NewLedger(open(t, repository.Config{}), repository.LedgerConfig{})
		})
	})
}

func TestStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		eventstest.Store(t, func(t *testing.T) events.Store { return repository.NewStore(open(t, repository.Config{})) })
	})
}

func TestAMarkCommitsWithItsEffects(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		ledger, r := repository.NewLedger(db, repository.LedgerConfig{}), repo[Plain, int64](t, db)
		fail := errors.New("after the effect")
		_, err := ledger.Run(ctx, "e", "l", func(ctx context.Context) error {
			must(t, r.Create(ctx, &Plain{ID: 1}))
			return fail
		})
		if !errors.Is(err, fail) {
			t.Errorf("run: %v", err)
		}
		if there, err := r.Exists(ctx, 1); there || err != nil {
			t.Errorf("a failed listener left its effect: %v", err)
		}
		for range 2 {
			if _, err := ledger.Run(ctx, "e", "l", func(ctx context.Context) error { return r.Create(ctx, &Plain{ID: 1}) }); err != nil {
				t.Errorf("run: %v", err)
			}
		}
		// The mark also joins a transaction that is there already.
		_ = db.Transaction(ctx, func(ctx context.Context) error {
			ran, err := ledger.Run(ctx, "e2", "l", func(context.Context) error { return nil })
			if !ran || err != nil {
				t.Errorf("nested run: %v %v", ran, err)
			}
			return fail
		})
		if done, err := ledger.Finished(ctx, "e2", []string{"l"}); len(done) != 0 || err != nil {
			t.Errorf("a mark outlived its transaction: %v %v", done, err)
		}
	})
}

func TestOldMarksAreForgotten(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		ledger := repository.NewLedger(db, repository.LedgerConfig{Retention: time.Hour, SweepInterval: time.Millisecond})
		for i, age := range []time.Duration{0, 2 * time.Hour} {
			if _, err := ledger.Run(t.Context(), fmt.Sprint("e", i), "l", func(ctx context.Context) error {
				_, err := db.SQL(ctx).ExecContext(ctx, fmt.Sprintf("UPDATE fxpond_ledger SET finished_at = finished_at - %d WHERE event = 'e%d'", age.Milliseconds(), i))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		must(t, ledger.Start(t.Context()))
		must(t, ledger.Start(t.Context()))
		for deadline := time.Now().Add(10 * time.Second); ; {
			done, err := ledger.Finished(t.Context(), "e1", []string{"l"})
			must(t, err)
			if len(done) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("an old mark was not deleted")
			}
		}
		must(t, ledger.Stop(t.Context()))
		must(t, ledger.Stop(t.Context()))
		if done, err := ledger.Finished(t.Context(), "e0", []string{"l"}); len(done) != 1 || err != nil {
			t.Errorf("a fresh mark was deleted: %v", err)
		}
	})
}

// Transactions commit in another order than they begin in: whoever reads on by id alone misses events.
func TestReadingOnSkipsNothingThatCommitsLate(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		store := repository.NewStore(db)
		event := func(id string) events.Any { return events.Any{ID: id, Name: "n", Timestamp: time.Now()} }
		var seen []string
		var cursor events.Cursor
		read := func() {
			for r, err := range store.Read(ctx, events.Query{After: cursor}) {
				must(t, err)
				seen, cursor = append(seen, r.Event.ID), r.Cursor
			}
		}
		switch db.Driver() {
		case "postgres":
			slow := beginOn(t, db)
			slowCtx := db.JoinTx(ctx, slow)
			must(t, store.Append(slowCtx, event("began first")))
			must(t, store.Append(ctx, event("committed first")))
			read()
			if !slices.Equal(seen, []string{"committed first"}) {
				t.Errorf("read %q while the slow transaction is open", seen)
			}
			must(t, store.Append(ctx, event("in between")))
			must(t, slow.Commit())
		case "mysql":
			slow := beginOn(t, db)
			slowCtx := db.JoinTx(ctx, slow)
			must(t, store.Append(slowCtx, event("began first")))
			appended := make(chan error, 1)
			go func() { appended <- store.Append(ctx, event("committed first"), event("in between")) }()
			waitForLock(t, db, appended)
			if read(); len(seen) > 0 {
				t.Errorf("read %q while the slow transaction is open", seen)
			}
			must(t, slow.Commit())
			must(t, <-appended)
		default:
			must(t, store.Append(ctx, event("committed first"), event("in between"), event("began first")))
		}
		read()
		must(t, store.Append(ctx, event("last")))
		read()
		slices.Sort(seen)
		if want := []string{"began first", "committed first", "in between", "last"}; !slices.Equal(seen, want) {
			t.Errorf("read %q, want each once: %q", seen, want)
		}
		if db.Driver() == "postgres" { // what doc.go says about a restored dump
			_, err := db.SQL(ctx).ExecContext(ctx, "UPDATE fxpond_events SET tx_id = '3'")
			must(t, err)
			seen, cursor = nil, ""
			if read(); len(seen) != 4 {
				t.Errorf("after a restore, read %q", seen)
			}
		}
	})
}

// waitForLock returns when some transaction waits for another's lock; one that got through tells by done.
func waitForLock(t *testing.T, db *repository.DB, done <-chan error) {
	t.Helper()
	const innodbCache = 150 * time.Millisecond // the table is stale for 0.1s after each look
	look := time.NewTicker(innodbCache)
	defer look.Stop()
	for range 200 {
		var waiting int
		must(t, db.SQL(t.Context()).QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'").Scan(&waiting))
		if waiting > 0 {
			return
		}
		select {
		case err := <-done:
			t.Fatalf("nothing kept it waiting: %v", err)
		case <-look.C:
		}
	}
	t.Fatal("nobody waits for a lock")
}

// Whoever reads on while others write sees each event once, and no reader's cursor runs ahead of a
// transaction that is still open.
func TestReadingOnWhileOthersWrite(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{MaxOpenConns: 12})
		store, r := repository.NewStore(db), repo[Plain, int64](t, db)
		const writers, each = 8, 12
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					err := db.Transaction(ctx, func(ctx context.Context) error {
						one := events.Any{ID: fmt.Sprintf("%d-%d-a", w, i), Name: "n", Timestamp: time.Now()}
						two := events.Any{ID: fmt.Sprintf("%d-%d-b", w, i), Name: "n", Timestamp: time.Now()}
						if err := store.Append(ctx, one); err != nil {
							return err
						}
						if err := r.Create(ctx, &Plain{}); err != nil {
							return err
						}
						if _, err := store.AppendTo(ctx, fmt.Sprint("stream", w), repository.AnyVersion, two); err != nil {
							return err
						}
						if i%5 == 4 {
							return errRollBack
						}
						return nil
					})
					if err != nil && !errors.Is(err, errRollBack) {
						t.Error(err)
					}
				}
			})
		}
		written := make(chan struct{})
		go func() { all.Wait(); close(written) }()
		seen := map[string]int{}
		var cursor events.Cursor
		for last := false; ; {
			for r, err := range store.Read(ctx, events.Query{After: cursor, Limit: 7}) {
				must(t, err)
				seen[r.Event.ID]++
				cursor = r.Cursor
			}
			if last {
				break
			}
			select {
			case <-written:
				last = true
				for r, err := range store.Read(ctx, events.Query{After: cursor}) {
					must(t, err)
					seen[r.Event.ID]++
					cursor = r.Cursor
				}
			default:
			}
		}
		for w := range writers {
			for i := range each {
				for _, part := range []string{"a", "b"} {
					id, want := fmt.Sprintf("%d-%d-%s", w, i, part), 1
					if i%5 == 4 {
						want = 0
					}
					if seen[id] != want {
						t.Errorf("%s was read %d times, want %d", id, seen[id], want)
					}
				}
			}
		}
	})
}

var errRollBack = errors.New("roll back")

// The sweep must not wait for the mark of a listener that is still at work.
func TestOldMarksGoWhileListenersWork(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		if db.Driver() == "sqlite" {
			t.Skip("it has one writer at a time")
		}
		ctx := t.Context()
		ledger := repository.NewLedger(db, repository.LedgerConfig{Retention: time.Hour, SweepInterval: time.Millisecond})
		for i := range 20 {
			_, err := ledger.Run(ctx, fmt.Sprint("old", i), "l", func(ctx context.Context) error {
				_, err := db.SQL(ctx).ExecContext(ctx, "UPDATE fxpond_ledger SET finished_at = 1")
				return err
			})
			must(t, err)
		}
		_, err := ledger.Run(ctx, "new", "l", func(context.Context) error {
			must(t, ledger.Start(ctx))
			for deadline := time.Now().Add(20 * time.Second); ; {
				done, err := ledger.Finished(ctx, "old7", []string{"l"})
				must(t, err)
				if len(done) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Error("old marks stay while a listener works")
					break
				}
			}
			return ledger.Stop(context.Background())
		})
		must(t, err)
	})
}

func TestAStreamMovesOneVersionAtATime(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		store := repository.NewStore(open(t, repository.Config{}))
		event := func(id string) events.Any { return events.Any{ID: id, Name: "n", Timestamp: time.Now()} }
		v, err := store.AppendTo(ctx, "order-1", 0, event("a"), event("b"))
		if v != 2 || err != nil {
			t.Fatalf("version %d, %v", v, err)
		}
		if _, err := store.AppendTo(ctx, "order-1", 1, event("late")); !errors.Is(err, repository.ErrConflict) {
			t.Errorf("a stale version: %v", err)
		}
		if _, err := store.AppendTo(ctx, "order-1", 2, event("c"), event("a")); !errors.Is(err, repository.ErrDuplicate) {
			t.Errorf("an event twice: %v", err)
		}
		if v, err = store.AppendTo(ctx, "order-2", repository.AnyVersion, event("other")); v != 1 || err != nil {
			t.Errorf("version %d, %v", v, err)
		}
		// Of those who expect the same version at once, one is served.
		var served, refused atomic.Int32
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				switch _, err := store.AppendTo(ctx, "order-1", 2, event(fmt.Sprint("w", i))); {
				case err == nil:
					served.Add(1)
				case errors.Is(err, repository.ErrConflict):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		writers.Wait()
		if served.Load() != 1 || refused.Load() != 7 {
			t.Errorf("%d were served, %d refused", served.Load(), refused.Load())
		}
		var got []string
		for r, err := range store.ReadStream(ctx, "order-1", 1) {
			must(t, err)
			got = append(got, r.Event.ID)
		}
		if len(got) != 2 || got[0] != "b" || got[1][0] != 'w' {
			t.Errorf("read %q behind version 1", got)
		}
	})
}
