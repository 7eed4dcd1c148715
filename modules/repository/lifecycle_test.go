package repository_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.uber.org/fx"
	uberfxtest "go.uber.org/fx/fxtest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
)

func TestConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := repository.NewDB(repository.Config{
		DSN: "oracle://host/db", MaxOpenConns: -2, MaxIdleConns: -2, ConnectTimeout: -1, QueryTimeout: -2,
		Migrate: "sideways", Coalesce: repository.Coalesce{MaxBatch: -1, Slots: 99},
	})
	if err == nil {
		t.Fatal("an impossible config was taken")
	}
	for _, field := range []string{
		"Driver", "oracle", "MaxOpenConns", "MaxIdleConns", "ConnectTimeout", "QueryTimeout", "Migrate", "Coalesce.MaxBatch", "Coalesce.Slots",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s:\n%v", field, err)
		}
	}
}

func TestStopIsAlwaysRight(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, err := repository.NewDB(repository.Config{AutoMigrate: models})
	must(t, err)
	r := repo[Plain, int64](t, db)
	must(t, db.Stop(ctx)) // without Start
	must(t, db.Stop(ctx))
	if err := db.Start(ctx); !errors.Is(err, repository.ErrClosed) {
		t.Errorf("start after stop: %v", err)
	}
	if _, err := r.Find(ctx, 1); !errors.Is(err, repository.ErrClosed) {
		t.Errorf("find after stop: %v", err)
	}
	if row := <-r.FindAsync(ctx, 1); !errors.Is(row.Error, repository.ErrClosed) {
		t.Errorf("find async after stop: %v", row.Error)
	}
	if err := r.Create(ctx, &Plain{}); !errors.Is(err, repository.ErrClosed) {
		t.Errorf("create after stop: %v", err)
	}
	if err := db.Ping(ctx); !errors.Is(err, repository.ErrClosed) {
		t.Errorf("ping after stop: %v", err)
	}
	err = db.Transaction(ctx, func(context.Context) error { t.Error("began a transaction after stop"); return nil })
	if !errors.Is(err, repository.ErrClosed) {
		t.Errorf("transaction after stop: %v", err)
	}
}

func TestStartFailsInTime(t *testing.T) {
	t.Parallel()
	db, err := repository.NewDB(repository.Config{DSN: filepath.Join(t.TempDir(), "no", "such", "folder", "app.db"), ConnectTimeout: 1})
	must(t, err)
	if err := db.Start(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("start: %v", err)
	}
	must(t, db.Stop(context.Background()))
}

var someMigrations = fstest.MapFS{
	"0001_notes.sql": {Data: []byte("CREATE TABLE notes (id INTEGER PRIMARY KEY, body VARCHAR(100));\nCREATE INDEX notes_body ON notes (body);")},
	"0002_fill.sql":  {Data: []byte("INSERT INTO notes (id, body) VALUES (1, 'a;b');\nINSERT INTO notes (id, body) VALUES (2, 'c');")},
}

func TestManyProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, newDSN func(testing.TB) string) {
		dsn := newDSN(t)
		cfg := repository.Config{DSN: dsn, Migrations: someMigrations, AutoMigrate: models}
		var pods sync.WaitGroup
		for range 4 {
			db, err := repository.NewDB(cfg)
			must(t, err)
			pods.Go(func() {
				if err := db.Start(t.Context()); err != nil {
					t.Error(err)
				}
				if err := db.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		pods.Wait()
		cfg.Migrate = repository.MigrateCheck
		db := start(t, cfg)
		var notes int
		must(t, db.SQL(t.Context()).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM notes").Scan(&notes))
		if notes != 2 {
			t.Errorf("migrations ran %d times", notes/2)
		}
	})
}

func TestSchemasThatDoNotFitAreLeftAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, testSchemas)
}

func testSchemas(t *testing.T, newDSN func(testing.TB) string) {
	dsn := newDSN(t)
	open := func(cfg repository.Config) error {
		cfg.DSN = dsn
		db, err := repository.NewDB(cfg)
		must(t, err)
		defer func() { must(t, db.Stop(context.Background())) }()
		return db.Start(t.Context())
	}
	if err := open(repository.Config{Migrate: repository.MigrateCheck}); !errors.Is(err, repository.ErrSchema) {
		t.Errorf("check of an empty database: %v", err)
	}
	must(t, open(repository.Config{Migrations: someMigrations}))
	must(t, open(repository.Config{Migrations: someMigrations, Migrate: repository.MigrateCheck}))
	older := fstest.MapFS{"0001_notes.sql": someMigrations["0001_notes.sql"]}
	if err := open(repository.Config{Migrations: older}); !errors.Is(err, repository.ErrSchema) {
		t.Errorf("a newer database: %v", err)
	}
	broken := fstest.MapFS{
		"0001_notes.sql": someMigrations["0001_notes.sql"], "0002_fill.sql": someMigrations["0002_fill.sql"],
		"0003_broken.sql": {Data: []byte("CREATE TABLE half (id INTEGER); CREATE NONSENSE;")},
	}
	if err := open(repository.Config{Migrations: broken}); err == nil || !strings.Contains(err.Error(), "0003_broken.sql") {
		t.Errorf("a broken migration: %v", err)
	}
	broken["0003_broken.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE half (id INTEGER);")}
	must(t, open(repository.Config{Migrations: broken})) // nothing of the first try was left
	for _, files := range []fstest.MapFS{{"users.sql": {}}, {"0001_a.sql": {}, "001_b.sql": {}}} {
		if err := open(repository.Config{Migrations: files}); err == nil {
			t.Errorf("misnamed migrations %v were taken", files)
		}
	}
}

func TestModuleOpensAndCloses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]repository.Config{
		"zero":     {},
		"supplied": {DSN: filepath.Join(t.TempDir(), "app.db"), MaxOpenConns: 2, AutoMigrate: models},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *repository.Repository[Plain, int64]
			cfg.AutoMigrate = models
			app := uberfxtest.New(t, fx.NopLogger, repository.Module, repository.Provide[Plain, int64](), fx.Supply(cfg), fx.Populate(&r))
			app.RequireStart()
			must(t, r.Create(t.Context(), &Plain{ID: 1}))
			app.RequireStop()
			if _, err := r.Find(t.Context(), 1); !errors.Is(err, repository.ErrClosed) {
				t.Errorf("after stop: %v", err)
			}
		})
	}
	broken := fx.New(fx.NopLogger, repository.Module, fx.Supply(repository.Config{MaxOpenConns: -1}))
	if broken.Err() == nil {
		t.Error("an impossible config was taken")
	}
}

// A change and its event commit together and the relay publishes to the bus; what a transport delivers
// runs in the ledger's transaction, once.
func TestModulesWorkTogether(t *testing.T) {
	t.Parallel()
	created := events.NewTopic[Plain]("plain.created")
	type handling struct {
		name string
		inTx bool
	}
	handled := make(chan handling, 10)
	var db *repository.DB
	var bus *events.Bus
	var o *repository.Outbox
	var plains *repository.Repository[Plain, int64]
	app := uberfxtest.New(t, fx.NopLogger,
		goroutine.Module, events.Module, repository.Module, repository.LedgerModule, repository.StoreModule,
		repository.OutboxTo[*events.Bus](), repository.Provide[Plain, int64](),
		fx.Supply(repository.Config{DSN: filepath.Join(t.TempDir(), "app.db"), AutoMigrate: models}),
		fx.Provide(events.AsListener(func(db *repository.DB) events.Listener {
			return created.Listener("copy", func(ctx context.Context, e events.Event[Plain]) error {
				handled <- handling{e.Data.Name, db.InTx(ctx)}
				return nil
			})
		})),
		fx.Populate(&db, &o, &plains, &bus),
	)
	app.RequireStart()
	must(t, db.Transaction(t.Context(), func(ctx context.Context) error {
		row := Plain{ID: 1, Name: "one"}
		if err := plains.Create(ctx, &row); err != nil {
			return err
		}
		return o.Add(ctx, created.New(row))
	}))
	if got := <-handled; got.name != "one" {
		t.Errorf("the listener got %+v", got)
	}
	delivered := created.New(Plain{Name: "two"})
	for range 2 {
		must(t, bus.Deliver(t.Context(), delivered).Err())
	}
	if got := <-handled; got.name != "two" || !got.inTx {
		t.Errorf("the listener got %+v, want it in the ledger's transaction", got)
	}
	if len(handled) > 0 {
		t.Error("a redelivered event ran its listener again")
	}
	app.RequireStop()
}

func TestABorrowedHandleStaysOpen(t *testing.T) {
	t.Parallel()
	owner := openFile(t, repository.Config{})
	handle, err := owner.Gorm(t.Context()).DB()
	must(t, err)
	db, err := repository.NewDB(repository.Config{Driver: "sqlite"}, repository.WithSQL(handle))
	must(t, err)
	must(t, db.Start(t.Context()))
	must(t, db.Stop(context.Background()))
	must(t, handle.PingContext(t.Context()))
}
