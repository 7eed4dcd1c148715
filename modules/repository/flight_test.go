package repository_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
)

// locked holds a lock that no reader passes, on a connection of its own, until it is let go.
func locked(t *testing.T, dsn, table string) (release func()) {
	t.Helper()
	db := start(t, repository.Config{DSN: dsn, AutoMigrate: []any{&Plain{}}})
	handle, err := db.Gorm(t.Context()).DB()
	must(t, err)
	conn, err := handle.Conn(t.Context())
	must(t, err)
	exec := func(statements ...string) {
		for _, s := range statements {
			if _, err := conn.ExecContext(context.Background(), s); err != nil {
				t.Error(err)
			}
		}
	}
	end := "COMMIT"
	if db.Driver() == "mysql" {
		exec("LOCK TABLES " + table + " WRITE")
		end = "UNLOCK TABLES"
	} else {
		exec("BEGIN", "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	}
	release = sync.OnceFunc(func() {
		exec(end)
		must(t, conn.Close())
	})
	t.Cleanup(release)
	return release
}

// until waits for something that has no signal of its own.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 20 s", what)
		}
	}
}

// stuck returns a repository with one slot, and a find of that context which waits for a lock on the server.
func stuck(t *testing.T, ctx context.Context, dsn string, cfg repository.Config) (db *repository.DB, r *repository.Repository[Plain, int64], answer <-chan repository.Result[Plain], release func()) { //nolint:revive // ctx belongs to the find
	t.Helper()
	cfg.DSN, cfg.AutoMigrate, cfg.Coalesce.Slots = dsn, []any{&Plain{}}, 1
	db, err := repository.NewDB(cfg)
	must(t, err)
	must(t, db.Start(t.Context()))
	t.Cleanup(func() { _ = db.Stop(context.Background()) })
	r = repo[Plain, int64](t, db)
	must(t, r.Create(t.Context(), &Plain{ID: 1}, &Plain{ID: 2}))
	release = locked(t, dsn, r.Gorm(t.Context()).Statement.Quote(tableOf(t, r)))
	answer = r.FindAsync(ctx, 1)
	handle, err := db.Gorm(t.Context()).DB()
	must(t, err)
	until(t, "the query is on its way", func() bool { return inUse(handle) })
	return db, r, answer, release
}

func tableOf(t *testing.T, r *repository.Repository[Plain, int64]) string {
	t.Helper()
	s := r.Gorm(t.Context()).Statement
	must(t, s.Parse(&Plain{}))
	return s.Table
}

func inUse(handle *sql.DB) bool { return handle.Stats().InUse > 0 }

func eachRemote(t *testing.T, test func(t *testing.T, dsn string)) {
	for name, dsn := range map[string]func(t testing.TB) string{"postgres": dbtest.Postgres, "mysql": dbtest.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dsn(t))
		})
	}
}

func TestALoneQueryEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, dsn string) {
		left := errors.New("the caller left")
		ctx, cancel := context.WithCancelCause(t.Context())
		db, r, answer, release := stuck(t, ctx, dsn, repository.Config{})
		cancel(left)
		if got := <-answer; !errors.Is(got.Error, left) {
			t.Errorf("the one who left: %+v", got)
		}
		until(t, "the slot is free, though the lock is held", func() bool { return db.Stats().Busy == 0 })
		release()
		if got := <-r.FindAsync(t.Context(), 2); got.Error != nil || got.Data.ID != 2 {
			t.Errorf("the next find: %+v", got)
		}
	})
}

func TestStopEndsALoneQuery(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, dsn string) {
		db, _, answer, _ := stuck(t, t.Context(), dsn, repository.Config{ShutdownTimeout: 50 * time.Millisecond})
		if err := db.Stop(context.Background()); !errors.Is(err, repository.ErrClosed) {
			t.Errorf("a stop that cancelled a query says %v", err)
		}
		if got := <-answer; got.Error == nil { // the lock is still held
			t.Errorf("got %+v", got)
		}
		if busy := db.Stats().Busy; busy != 0 {
			t.Errorf("%d runners are busy after stop", busy)
		}
	})
}

// A runner's queries follow one another on one context: whoever leaves must not end the query of the next.
func TestWhoLeavesDoesNotEndTheNextQuery(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{Coalesce: repository.Coalesce{Slots: 1}})
		r := repo[Plain, int64](t, db)
		must(t, r.Create(t.Context(), &Plain{ID: 1, Name: "one"}, &Plain{ID: 2, Name: "two"}))
		for i := range 300 {
			ctx, cancel := context.WithCancel(t.Context())
			leaves := r.FindAsync(ctx, 1)
			for range i % 40 { // at every stage of the query
				runtime.Gosched()
			}
			cancel()
			if got := <-r.FindAsync(t.Context(), 2); got.Error != nil || got.Data.Name != "two" {
				t.Fatalf("the one who stayed: %+v", got)
			}
			if got := <-leaves; got.Error != nil && !errors.Is(got.Error, context.Canceled) || got.Error == nil && got.Data.Name != "one" {
				t.Fatalf("the one who left: %+v", got)
			}
		}
	})
}

// The query of a lone find sees the values of its caller's context.
func TestALoneQueryHasItsCallersValues(t *testing.T) {
	t.Parallel()
	type key struct{}
	seen := make(chan any, 1)
	db := start(t, repository.Config{AutoMigrate: []any{&Plain{}}})
	r := repo[Plain, int64](t, db)
	must(t, r.Create(t.Context(), &Plain{ID: 1}))
	callbacks, err := repository.New[Plain, int64](db, repository.WithQueryCallbacks[Plain]())
	must(t, err)
	must(t, db.Gorm(t.Context()).Callback().Query().Before("gorm:query").Register("fxpond:test", func(tx *gorm.DB) { seen <- tx.Statement.Context.Value(key{}) }))
	if got := <-callbacks.FindAsync(context.WithValue(t.Context(), key{}, "mine"), 1); got.Error != nil {
		t.Fatal(got.Error)
	}
	if v := <-seen; fmt.Sprint(v) != "mine" {
		t.Errorf("the query saw %v", v)
	}
}

// A find that waits for a connection is answered as soon as its caller leaves, and by Stop.
func TestAFindThatWaitsForAConnectionIsAnswered(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{MaxOpenConns: 1, ShutdownTimeout: 50 * time.Millisecond})
		r := repo[Plain, int64](t, db)
		must(t, r.Create(t.Context(), &Plain{ID: 1}))
		handle, err := db.Gorm(t.Context()).DB()
		must(t, err)
		conn, err := handle.Conn(t.Context())
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		leaves := r.FindAsync(ctx, 1)
		until(t, "it waits", func() bool { return handle.Stats().WaitCount > 0 })
		cancel()
		if got := <-leaves; !errors.Is(got.Error, context.Canceled) {
			t.Errorf("the one who left: %+v", got)
		}
		stays := r.FindAsync(t.Context(), 1)
		_ = db.Stop(context.Background()) // an error if it had to cancel the query, none if that was not sent yet
		if got := <-stays; got.Error == nil {
			t.Errorf("the one who stayed: %+v", got)
		}
		must(t, conn.Close())
	})
}
