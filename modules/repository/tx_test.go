package repository_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/repository"
)

func TestATransactionIsAllOrNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		ctx := t.Context()
		fail := errors.New("fail")
		count := func() int64 {
			n, err := r.Where().Count(ctx)
			must(t, err)
			return n
		}

		must(t, db.Transaction(ctx, func(ctx context.Context) error { return r.Create(ctx, &Plain{ID: 1}) }))
		err := db.Transaction(ctx, func(ctx context.Context) error {
			must(t, r.Create(ctx, &Plain{ID: 2}))
			if _, err := r.Find(ctx, 2); err != nil {
				t.Errorf("a transaction does not see its own row: %v", err)
			}
			if row := <-r.FindAsync(ctx, 2); row.Error != nil {
				t.Errorf("FindAsync does not see its transaction's row: %v", row.Error)
			}
			for row := range r.FindManyAsync(ctx, []int64{2, 1}) {
				if row.Error != nil {
					t.Errorf("FindManyAsync in a transaction: %v", row.Error)
				}
			}
			if _, err := r.FindMany(ctx, []int64{1, 2}); err != nil {
				t.Errorf("FindMany in a transaction: %v", err)
			}
			return fail
		})
		if !errors.Is(err, fail) || count() != 1 {
			t.Errorf("after a failure: %v, %d rows", err, count())
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.Transaction(ctx, func(ctx context.Context) error {
				must(t, r.Create(ctx, &Plain{ID: 3}))
				panic("bug")
			})
		}()
		if count() != 1 {
			t.Errorf("after a panic: %d rows", count())
		}
		must(t, r.Create(ctx, &Plain{ID: 4})) // nothing is left locked
	})
}

func TestNestedTransactionsAreSavepoints(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		ctx := t.Context()
		var told []string
		tell := func(ctx context.Context, what string) {
			must(t, db.AfterCommit(ctx, func(ctx context.Context) {
				if db.InTx(ctx) || ctx.Err() != nil {
					t.Error("a commit hook has the transaction's context")
				}
				told = append(told, what)
			}))
		}
		fail := errors.New("fail")
		must(t, db.Transaction(ctx, func(ctx context.Context) error {
			tell(ctx, "outer")
			must(t, r.Create(ctx, &Plain{ID: 1}))
			err := db.Transaction(ctx, func(ctx context.Context) error {
				tell(ctx, "failed")
				must(t, db.Transaction(ctx, func(ctx context.Context) error {
					tell(ctx, "inside the failed")
					return r.Create(ctx, &Plain{ID: 2})
				}))
				// A statement that fails must not spoil the outer transaction, as PostgreSQL would have it.
				if err := r.Create(ctx, &Plain{ID: 1}); !errors.Is(err, repository.ErrDuplicate) {
					t.Errorf("duplicate: %v", err)
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Errorf("nested: %v", err)
			}
			must(t, db.Transaction(ctx, func(ctx context.Context) error {
				tell(ctx, "kept")
				return r.Create(ctx, &Plain{ID: 3})
			}))
			if len(told) > 0 {
				t.Errorf("told before the commit: %v", told)
			}
			return nil
		}))
		if want := []string{"outer", "kept"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		rows, err := r.All(ctx)
		must(t, err)
		if len(rows) != 2 || rows[0].ID != 1 || rows[1].ID != 3 {
			t.Errorf("rows: %v", rows)
		}
		_ = db.Transaction(ctx, func(ctx context.Context) error { tell(ctx, "rolled back"); return fail })
		tell(ctx, "without")
		if want := []string{"outer", "kept", "without"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

func TestAnAdoptedTransaction(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		dsn := open // the handle comes from a second database on the same DSN in real life
		db := dsn(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		tx := beginOn(t, db)
		ctx := db.JoinTx(t.Context(), tx)
		must(t, r.Create(ctx, &Plain{ID: 1}))
		if err := db.AfterCommit(ctx, func(context.Context) {}); !errors.Is(err, repository.ErrForeignTx) {
			t.Errorf("AfterCommit in a foreign transaction: %v", err)
		}
		must(t, tx.Rollback())
		if there, err := r.Exists(t.Context(), 1); there || err != nil {
			t.Errorf("the row outlived the rollback: %v", err)
		}
	})
}

func beginOn(t *testing.T, db *repository.DB) *sql.Tx {
	t.Helper()
	handle, err := db.Gorm(t.Context()).DB()
	must(t, err)
	tx, err := handle.BeginTx(t.Context(), nil)
	must(t, err)
	return tx
}

// Deferred transactions that read and then write fail by the dozen on SQLite.
func TestConcurrentReadThenWriteLosesNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := users(t, db)
		must(t, r.Create(t.Context(), &User{ID: 1, Email: "a@x"}))
		const workers, each = 8, 15
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range each {
					for {
						err := db.Transaction(t.Context(), func(ctx context.Context) error {
							u, err := r.Find(ctx, 1)
							if err != nil {
								return err
							}
							u.Age++
							return r.Update(ctx, &u)
						})
						if err == nil {
							break
						}
						if !errors.Is(err, repository.ErrConflict) || db.Driver() == "sqlite" {
							t.Errorf("transaction: %v", err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		u, err := r.Find(t.Context(), 1)
		must(t, err)
		if u.Age != workers*each {
			t.Errorf("%d of %d increments were kept", u.Age, workers*each)
		}
	})
}

func TestWaitingForTheWriterEnds(t *testing.T) {
	t.Parallel()
	db := openFile(t, repository.Config{QueryTimeout: 20 * time.Millisecond})
	r := repo[Plain, int64](t, db)
	must(t, db.Transaction(t.Context(), func(context.Context) error {
		// The classic mistake: the outer context inside a transaction.
		if err := r.Create(t.Context(), &Plain{ID: 1}); !errors.Is(err, repository.ErrBusy) {
			t.Errorf("write beside the open transaction: %v", err)
		}
		gone, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the caller left"))
		if err := r.Create(gone, &Plain{ID: 1}); err == nil || !errors.Is(err, context.Cause(gone)) {
			t.Errorf("write of a caller who left: %v", err)
		}
		return nil
	}))
	must(t, r.Create(t.Context(), &Plain{ID: 1}))
}

func TestARolledBackContextWritesNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		var late context.Context
		must(t, db.Transaction(t.Context(), func(ctx context.Context) error { late = ctx; return nil }))
		_, notFound := r.Find(late, 1)
		_, notCounted := r.Where().Count(late)
		for doing, err := range map[string]error{
			"Create":      r.Create(late, &Plain{ID: 1}),
			"Find":        notFound,
			"Count":       notCounted,
			"FindAsync":   (<-r.FindAsync(late, 1)).Error,
			"Transaction": db.Transaction(late, func(context.Context) error { return nil }),
		} {
			if !errors.Is(err, sql.ErrTxDone) || !strings.Contains(err.Error(), "AfterCommit") {
				t.Errorf("%s after the transaction has ended: %v, want sql.ErrTxDone and what to mend", doing, err)
			}
		}
	})
}

func ExampleDB_Transaction() {
	ctx := context.Background()
	db, err := repository.NewDB(repository.Config{AutoMigrate: []any{&Plain{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Stop(ctx) }()
	if err := db.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	plains, err := repository.New[Plain, int64](db)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = db.Transaction(ctx, func(ctx context.Context) error {
		if err := plains.Create(ctx, &Plain{ID: 1, Name: "one"}); err != nil {
			return err
		}
		return db.AfterCommit(ctx, func(context.Context) { fmt.Println("committed") })
	})
	fmt.Println(err)
	one := <-plains.FindAsync(ctx, 1)
	fmt.Println(one.Data.Name, one.Error)
	_, err = plains.Find(ctx, 2)
	fmt.Println(err)
	// Output:
	// committed
	// <nil>
	// one <nil>
	// repository: plains 2 not found
}
