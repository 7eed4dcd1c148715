package repository_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
)

const (
	crashMode = "FXPOND_CRASH_MODE" // what this process is: "", "signup", "drain" or "migrate"
	crashDSN  = "FXPOND_CRASH_DSN"
	crashLog  = "FXPOND_CRASH_LOG"
	crashSize = "FXPOND_CRASH_SIGNUPS" // how many sign-ups the test makes; default 300
)

// Effect counts how often a listener's effect on the database happened.
type Effect struct {
	Event string `gorm:"primaryKey"`
	Times int
}

// TestKilledProcessesLoseAndInventNothing kills a process again and again while it signs users up,
// publishes their events and runs a listener on each. In the end every user has their event, no event is
// without its user, and the listener's effect happened once each, though events are delivered twice.
func TestKilledProcessesLoseAndInventNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, newDSN func(testing.TB) string) {
		dsn := newDSN(t)
		want := 300
		if s := os.Getenv(crashSize); s != "" {
			var err error
			want, err = strconv.Atoi(s)
			must(t, err)
		}
		cfg := repository.Config{DSN: dsn, AutoMigrate: []any{&Plain{}, &Effect{}}}
		db := start(t, cfg)
		signups, log := repo[Plain, int64](t, db), filepath.Join(t.TempDir(), "published")

		kills := 0
		for {
			n, err := signups.Where().Count(t.Context())
			must(t, err)
			if n >= int64(want) {
				break
			}
			child, lines := crashChild(t, "signup", cfg.DSN, log)
			for range 1 + rand.IntN(min(max(1, want/60), 60)) { // each line tells of ten sign-ups
				if !lines.Scan() {
					break
				}
			}
			must(t, child.Process.Kill())
			_ = child.Wait()
			kills++
		}
		child, lines := crashChild(t, "drain", cfg.DSN, log)
		for lines.Scan() {
		}
		if err := child.Wait(); err != nil {
			t.Fatalf("draining: %v", err)
		}
		checkCrash(t, db, log, kills)
	})
}

// longMigrations take many statements, each of which must run once.
func longMigrations() fstest.MapFS {
	files := fstest.MapFS{"0001_log.sql": {Data: []byte("CREATE TABLE done (id INTEGER PRIMARY KEY, step INTEGER);")}}
	for i := 2; i <= 20; i++ {
		files[fmt.Sprintf("%04d_step.sql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `
			CREATE TABLE t%[1]d (id INTEGER PRIMARY KEY);
			INSERT INTO done (id, step) VALUES (%[1]d1, %[1]d);
			ALTER TABLE t%[1]d ADD COLUMN name VARCHAR(20);
			CREATE INDEX t%[1]d_name ON t%[1]d (name);
			INSERT INTO done (id, step) VALUES (%[1]d2, %[1]d);
			UPDATE done SET step = step + 1000 WHERE step = %[1]d;`, i)}
	}
	return files
}

// TestKilledMigrationsMend kills one process after the other in the middle of migrating.
func TestKilledMigrationsMend(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, newDSN func(testing.TB) string) {
		dsn := newDSN(t)
		for range 8 {
			child, lines := crashChild(t, "migrate", dsn, "")
			for range rand.IntN(5) { // each tells of one file
				if !lines.Scan() {
					break
				}
			}
			must(t, child.Process.Kill())
			_ = child.Wait()
		}
		db := start(t, repository.Config{DSN: dsn, Migrations: longMigrations()})
		var rows, moved int
		must(t, db.SQL(t.Context()).QueryRowContext(t.Context(),
			"SELECT COUNT(*), COUNT(CASE WHEN step BETWEEN 1002 AND 1020 THEN 1 END) FROM done").Scan(&rows, &moved))
		if rows != 38 || moved != 38 {
			t.Errorf("%d rows of 38 are there, %d were moved once", rows, moved)
		}
	})
}

// progressLog tells the parent of each migration.
func progressLog(to io.Writer) *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m"}), zapcore.AddSync(to), zap.InfoLevel))
}

func checkCrash(t *testing.T, db *repository.DB, log string, kills int) {
	published := map[string]int{}
	text, err := os.ReadFile(log)
	must(t, err)
	for id := range strings.FieldsSeq(string(text)) {
		published[id]++
	}
	rows, lost, again := 0, 0, 0
	signups, effects := repo[Plain, int64](t, db), repo[Effect, string](t, db)
	for row, err := range signups.Each(t.Context(), 500) {
		must(t, err)
		rows++
		id := eventID(row)
		again += max(0, published[id]-1)
		if published[id] == 0 {
			lost++
		}
		delete(published, id)
		effect, err := effects.Find(t.Context(), id)
		if err != nil || effect.Times != 1 {
			t.Errorf("the effect of %s happened %d times, %v", id, effect.Times, err)
		}
	}
	if lost > 0 || len(published) > 0 {
		t.Errorf("%d of %d sign-ups lost their event, %d events have no sign-up", lost, rows, len(published))
	}
	if n, err := effects.Where().Count(t.Context()); err != nil || n != int64(rows) {
		t.Errorf("%d effects of %d sign-ups, %v", n, rows, err)
	}
	t.Logf("%d sign-ups, %d kills: 0 lost, 0 invented, %d published again, every effect once", rows, kills, again)
}

func crashChild(t *testing.T, mode, dsn, log string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashMode+"="+mode, crashDSN+"="+dsn, crashLog+"="+log)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	return child, bufio.NewScanner(out)
}

func eventID(p Plain) string { return fmt.Sprintf("signup-%d", p.ID) }

// runCrashChild is the process that gets killed.
func runCrashChild(ctx context.Context, mode string, progress io.Writer) error {
	cfg, log := repository.Config{DSN: os.Getenv(crashDSN)}, zap.NewNop()
	if mode == "migrate" {
		cfg.Migrations, log = longMigrations(), progressLog(progress)
	}
	db, err := repository.NewDB(cfg, repository.WithLogger(log))
	if err != nil {
		return err
	}
	if err := db.Start(ctx); err != nil || mode == "migrate" {
		return errors.Join(err, db.Stop(ctx))
	}
	published, err := os.OpenFile(os.Getenv(crashLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	listener, err := newCrashListener(db, published)
	if err != nil {
		return err
	}
	outbox, err := repository.NewOutbox(db, listener, repository.OutboxConfig{Batch: 20, Lease: time.Second, Poll: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := outbox.Start(ctx); err != nil {
		return err
	}
	if mode == "drain" {
		for pending := 1; pending > 0; {
			stats, err := outbox.Stats(ctx)
			if err != nil {
				return err
			}
			pending = stats.Pending
		}
		return errors.Join(outbox.Stop(ctx), db.Stop(ctx))
	}
	signups, err := repository.New[Plain, int64](db)
	if err != nil {
		return err
	}
	created := events.NewTopic[Plain]("user.created")
	var workers sync.WaitGroup
	failed := make(chan error, 4) // one for each worker
	done := make(chan struct{}, 100)
	for range 4 {
		workers.Go(func() {
			for {
				err := db.Transaction(ctx, func(ctx context.Context) error {
					row := Plain{Name: "someone"}
					if err := signups.Create(ctx, &row); err != nil {
						return err
					}
					return outbox.Add(ctx, created.New(row, events.WithID(eventID(row))))
				})
				if err != nil {
					failed <- err
					return
				}
				done <- struct{}{}
			}
		})
	}
	for n := 1; ; n++ {
		select {
		case err := <-failed:
			return err
		case <-done:
			if n%10 == 0 {
				_, _ = fmt.Fprintln(progress, n)
			}
		}
	}
}

// crashListener is a transport that delivers everything twice, to a listener whose effect must happen once.
type crashListener struct {
	ledger  *repository.Ledger
	effects *repository.Repository[Effect, string]
	log     *os.File
}

func newCrashListener(db *repository.DB, log *os.File) (*crashListener, error) {
	effects, err := repository.New[Effect, string](db)
	return &crashListener{repository.NewLedger(db, repository.LedgerConfig{}), effects, log}, err
}

func (c *crashListener) Publish(ctx context.Context, all ...events.Any) error {
	for _, e := range all {
		if _, err := fmt.Fprintln(c.log, e.ID); err != nil {
			return err
		}
		for range 2 {
			_, err := c.ledger.Run(ctx, e.ID, "effect", func(ctx context.Context) error {
				effect, err := c.effects.Find(ctx, e.ID)
				if errors.Is(err, repository.ErrNotFound) {
					return c.effects.Create(ctx, &Effect{Event: e.ID, Times: 1})
				}
				if err != nil {
					return err
				}
				effect.Times++
				return c.effects.Update(ctx, &effect)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
