package repository_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/repository"
)

// Gated is a row whose scan waits at a gate: so a test decides how long a query takes.
type Gated struct {
	ID    int64 `gorm:"primaryKey"`
	Name  Latch
	Other string
}

// Latch is a string that may stop, panic or exit while it is read.
type Latch string

var latches sync.Map // by text: func()

func (l *Latch) Scan(src any) error {
	text, _ := src.(string)
	if b, ok := src.([]byte); ok {
		text = string(b)
	}
	*l = Latch(text)
	if at, ok := latches.Load(text); ok {
		at.(func())() //nolint:errcheck // only functions are stored
	}
	return nil
}

func (l Latch) Value() (driver.Value, error) { return string(l), nil }

func gatedRows(t testing.TB, db *repository.DB, n int, name string) *repository.Repository[Gated, int64] {
	t.Helper()
	r := repo[Gated, int64](t, db)
	rows := make([]*Gated, n)
	for i := range rows {
		rows[i] = &Gated{ID: int64(i + 1), Other: fmt.Sprint("o", i+1)}
	}
	rows[0].Name = Latch(name)
	must(t, r.Create(t.Context(), rows...))
	return r
}

// latch makes rows with that name wait until they are let go.
func latch(t testing.TB, name string, at func()) {
	latches.Store(name, at)
	t.Cleanup(func() { latches.Delete(name) })
}

// blocked opens a database with one slot, and keeps that busy until release is called.
func blocked(t *testing.T, open opener, cfg repository.Config, n int) (db *repository.DB, r *repository.Repository[Gated, int64], release func()) {
	t.Helper()
	cfg.AutoMigrate, cfg.Coalesce.Slots = []any{&Gated{}}, 1
	db = open(t, cfg)
	name := t.Name()
	r = gatedRows(t, db, n, name)
	entered, leave := make(chan struct{}), make(chan struct{})
	latch(t, name, func() { close(entered); <-leave })
	first := r.FindAsync(t.Context(), 1)
	<-entered
	latches.Delete(name)
	return db, r, func() {
		close(leave)
		if got := <-first; got.Error != nil || got.Data.ID != 1 {
			t.Errorf("the find that held the slot: %+v", got)
		}
	}
}

func TestWhatQueuesMeanwhileIsOneQuery(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db, r, release := blocked(t, open, repository.Config{}, 60)
		var answers []<-chan repository.Result[Gated]
		for i := range 100 { // 50 rows, each twice
			answers = append(answers, r.FindAsync(t.Context(), int64(i%50+1)))
		}
		missing := r.FindAsync(t.Context(), 999)
		many := r.FindManyAsync(t.Context(), []int64{7, 998, 7})
		release()
		for i, ch := range answers {
			got := <-ch
			if want := int64(i%50 + 1); got.Error != nil || got.Data.ID != want || got.Data.Other != fmt.Sprint("o", want) {
				t.Fatalf("find of %d: %+v", want, got)
			}
		}
		if got := <-missing; !errors.Is(got.Error, repository.ErrNotFound) {
			t.Errorf("missing row: %+v", got)
		}
		seen := map[int]bool{}
		for got := range many {
			seen[got.Index] = true
			if (got.Index == 1) != errors.Is(got.Error, repository.ErrNotFound) || (got.Index != 1 && got.Data.ID != 7) {
				t.Errorf("place %d: %+v", got.Index, got)
			}
		}
		if len(seen) != 3 {
			t.Errorf("places %v were answered", seen)
		}
		if s := db.Stats(); s.Queries != 2 || s.Finds != 105 {
			t.Errorf("%d finds took %d queries, want 2", s.Finds, s.Queries)
		}
	})
}

func TestABurstTakesFewQueries(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		r := repo[Plain, int64](t, db)
		var rows []*Plain
		for i := range 1000 {
			rows = append(rows, &Plain{ID: int64(i + 1)})
		}
		must(t, r.Create(t.Context(), rows...))
		answers := make([]<-chan repository.Result[Plain], 1000)
		for i := range answers {
			answers[i] = r.FindAsync(t.Context(), int64(i+1))
		}
		for i, ch := range answers {
			if got := <-ch; got.Error != nil || got.Data.ID != int64(i+1) {
				t.Fatalf("find of %d: %+v", i+1, got)
			}
		}
		s := db.Stats()
		t.Logf("1000 finds took %d queries", s.Queries)
		if s.Finds != 1000 || s.Queries > 500 { // about 20; a machine under load may do worse
			t.Errorf("%d finds took %d queries", s.Finds, s.Queries)
		}
	})
}

func TestOneWhoLeavesHarmsNobody(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		_, r, release := blocked(t, open, repository.Config{}, 3)
		left := errors.New("the caller left")
		ctx, cancel := context.WithCancelCause(t.Context())
		gone, stays := r.FindAsync(ctx, 2), r.FindAsync(t.Context(), 2)
		cancel(left)
		if got := <-gone; !errors.Is(got.Error, left) { // at once, though the slot is still held
			t.Errorf("the one who left: %+v", got)
		}
		if got := <-r.FindAsync(ctx, 3); !errors.Is(got.Error, left) {
			t.Errorf("a caller who had left before: %+v", got)
		}
		release()
		if got := <-stays; got.Error != nil || got.Data.ID != 2 {
			t.Errorf("the one who stayed: %+v", got)
		}
	})
}

func TestAQueryNobodyWaitsForIsCancelled(t *testing.T) {
	t.Parallel()
	_, r, release := blocked(t, openFile, repository.Config{}, 3)
	name := t.Name() + "/second"
	must(t, r.Update(t.Context(), &Gated{ID: 2, Name: Latch(name)}))
	entered, leave := make(chan struct{}), make(chan struct{})
	latch(t, name, sync.OnceFunc(func() { close(entered); <-leave }))
	ctx, cancel := context.WithCancel(t.Context())
	a, b := r.FindAsync(ctx, 2), r.FindAsync(ctx, 3) // one query
	release()
	<-entered
	cancel()
	for _, ch := range []<-chan repository.Result[Gated]{a, b} {
		if got := <-ch; !errors.Is(got.Error, context.Canceled) {
			t.Errorf("after leaving: %+v", got)
		}
	}
	close(leave)
}

// Hooked is a row whose hook runs after it was read.
type Hooked struct {
	ID   int64 `gorm:"primaryKey"`
	Name string
}

func (h *Hooked) AfterFind(*gorm.DB) error {
	if at, ok := latches.Load(h.Name); ok {
		at.(func())() //nolint:errcheck // only functions are stored
	}
	return nil
}

func TestAPanicOrExitIsAnAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		at    func()
		check func(err error) bool
	}{
		"panic": {func() { panic("bug") }, func(err error) bool { _, ok := errors.AsType[*goroutine.PanicError](err); return ok }},
		"exit":  {runtime.Goexit, func(err error) bool { return errors.Is(err, goroutine.ErrGoexit) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := start(t, repository.Config{AutoMigrate: []any{&Hooked{}}, Coalesce: repository.Coalesce{Slots: 1}})
			r := repo[Hooked, int64](t, db)
			must(t, r.Create(t.Context(), &Hooked{ID: 1, Name: t.Name()}, &Hooked{ID: 2}))
			latch(t, t.Name(), tc.at)
			if got := <-r.FindAsync(t.Context(), 1); !tc.check(got.Error) {
				t.Errorf("got %+v", got)
			}
			if got := <-r.FindAsync(t.Context(), 2); got.Error != nil { // the slot still works
				t.Errorf("the next find: %+v", got)
			}
		})
	}
	t.Run("panic while scanning", func(t *testing.T) {
		t.Parallel()
		db := start(t, repository.Config{AutoMigrate: []any{&Gated{}}, MaxOpenConns: 1})
		r := gatedRows(t, db, 2, t.Name())
		latch(t, t.Name(), func() { panic("bug") })
		if _, err := r.Find(t.Context(), 1); err == nil {
			t.Error("the panic was swallowed")
		}
		if _, err := r.Find(t.Context(), 2); err != nil { // on the only connection
			t.Errorf("the next find: %v", err)
		}
	})
}

// Two callers must not find each other's changes in their rows.
func TestCallersShareNoMemory(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{Coalesce: repository.Coalesce{Slots: 1}})
	r := users(t, db)
	must(t, r.Create(t.Context(), &User{Email: "a@x", Photo: []byte("aaaa")}))
	answers := make([]<-chan repository.Result[User], 40)
	for i := range answers {
		answers[i] = r.FindAsync(t.Context(), 1)
	}
	for _, ch := range answers {
		got := <-ch
		must(t, got.Error)
		if string(got.Data.Photo) != "aaaa" {
			t.Fatal("a caller sees what another wrote into its row")
		}
		copy(got.Data.Photo, "bbbb")
	}
}

func TestPartitionsNeverShareAQuery(t *testing.T) {
	t.Parallel()
	type tenantKey struct{}
	tenant := func(ctx context.Context) string { name, _ := ctx.Value(tenantKey{}).(string); return name }
	db := start(t, repository.Config{Coalesce: repository.Coalesce{Slots: 1}})
	plain, err := repository.New[Plain, int64](db, repository.WithPartition[Plain](tenant))
	must(t, err)
	must(t, plain.Create(t.Context(), &Plain{ID: 1}, &Plain{ID: 2}))
	var answers []<-chan repository.Result[Plain]
	for i := range 40 {
		ctx := context.WithValue(t.Context(), tenantKey{}, fmt.Sprint("tenant", i))
		answers = append(answers, plain.FindAsync(ctx, int64(i%2+1)))
	}
	for _, ch := range answers {
		if got := <-ch; got.Error != nil {
			t.Error(got.Error)
		}
	}
	if s := db.Stats(); s.Queries != 40 {
		t.Errorf("40 partitions took %d queries", s.Queries)
	}
}

func TestOneBadValueFailsAlone(t *testing.T) {
	t.Parallel()
	type Odd struct {
		ID   string `gorm:"primaryKey;type:uuid"` // a Go string may be no UUID
		Name string
	}
	db := openPostgres(t, repository.Config{AutoMigrate: []any{&Odd{}}, Coalesce: repository.Coalesce{Slots: 1}})
	r := repo[Odd, string](t, db)
	const id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	must(t, r.Create(t.Context(), &Odd{ID: id}))
	for range 20 { // however they happen to be batched
		good, bad := r.FindAsync(t.Context(), id), r.FindAsync(t.Context(), "not a uuid")
		again := r.FindAsync(t.Context(), id)
		if got := <-good; got.Error != nil {
			t.Errorf("good id: %v", got.Error)
		}
		if got := <-bad; got.Error == nil || errors.Is(got.Error, repository.ErrNotFound) {
			t.Errorf("bad id: %v", got.Error)
		}
		if got := <-again; got.Error != nil {
			t.Errorf("good id again: %v", got.Error)
		}
	}
}

func TestStopAnswersEverybody(t *testing.T) {
	t.Parallel()
	db, err := repository.NewDB(repository.Config{AutoMigrate: []any{&Gated{}}, ShutdownTimeout: 20 * time.Millisecond, Coalesce: repository.Coalesce{Slots: 1}})
	must(t, err)
	must(t, db.Start(t.Context()))
	r := gatedRows(t, db, 3, t.Name())
	entered, leave := make(chan struct{}), make(chan struct{})
	latch(t, t.Name(), func() { close(entered); <-leave })
	running := r.FindAsync(t.Context(), 1)
	<-entered
	queued := r.FindAsync(t.Context(), 2)
	stopped := make(chan error, 1)
	go func() { stopped <- db.Stop(context.Background()) }()
	if got := <-queued; !errors.Is(got.Error, repository.ErrClosed) {
		t.Errorf("queued find: %+v", got)
	}
	if err := <-stopped; !errors.Is(err, repository.ErrClosed) {
		t.Errorf("a stop that left a query behind says %v", err)
	}
	close(leave)
	<-running
}

func TestCoalescedFindNeedsNoChannel(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{})
	c, err := repository.New[Plain, int64](db, repository.WithCoalescedFind[Plain]())
	must(t, err)
	must(t, c.Create(t.Context(), &Plain{ID: 1, Name: "one"}))
	got, err := c.Find(t.Context(), 1)
	if err != nil || got.Name != "one" || db.Stats().Finds != 1 {
		t.Errorf("got %+v, %v, %+v", got, err, db.Stats())
	}
}

// Whatever callers ask for, however they overlap and leave, each gets exactly its own answer.
func TestEachCallerGetsItsOwn(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{Coalesce: repository.Coalesce{Slots: 2, MaxBatch: 5}})
	r := repo[Plain, int64](t, db)
	const rows = 20
	for i := range rows {
		must(t, r.Create(t.Context(), &Plain{ID: int64(i + 1), Name: fmt.Sprint("n", i+1)}))
	}
	rapid.Check(t, func(rt *rapid.T) {
		type caller struct {
			ids    []int64
			leaves bool
			tx     bool
		}
		callers := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) caller {
			return caller{
				ids:    rapid.SliceOfN(rapid.Int64Range(1, rows+5), 0, 8).Draw(rt, "ids"),
				leaves: rapid.IntRange(0, 4).Draw(rt, "leaves") == 0,
				tx:     rapid.IntRange(0, 9).Draw(rt, "tx") == 0,
			}
		}), 1, 12).Draw(rt, "callers")
		var wg sync.WaitGroup
		var failure atomic.Pointer[string]
		fail := func(format string, args ...any) { s := fmt.Sprintf(format, args...); failure.Store(&s) }
		for _, c := range callers {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				collect := func(ctx context.Context) error {
					answers := r.FindManyAsync(ctx, c.ids)
					if c.leaves {
						cancel()
					}
					seen := make([]bool, len(c.ids))
					for got := range answers {
						if seen[got.Index] {
							fail("place %d answered twice", got.Index)
						}
						seen[got.Index] = true
						id := c.ids[got.Index]
						switch {
						case c.leaves && errors.Is(got.Error, context.Canceled):
						case id > rows && errors.Is(got.Error, repository.ErrNotFound):
						case id <= rows && got.Error == nil && got.Data == Plain{ID: id, Name: fmt.Sprint("n", id)}:
						default:
							fail("asked for %d (leaves %v): %+v", id, c.leaves, got)
						}
					}
					for i, ok := range seen {
						if !ok {
							fail("place %d was not answered", i)
						}
					}
					return nil
				}
				if c.tx && !c.leaves {
					if err := db.Transaction(ctx, collect); err != nil {
						fail("transaction: %v", err)
					}
					return
				}
				_ = collect(ctx)
			})
		}
		wg.Wait()
		if msg := failure.Load(); msg != nil {
			rt.Fatal(*msg)
		}
	})
}
