package repository_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(crashMode); mode != "" {
		if err := runCrashChild(context.Background(), mode, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// User has everything a model can have.
type User struct {
	ID        uint   `gorm:"primaryKey"`
	Email     string `gorm:"not null;uniqueIndex"`
	Name      string
	Age       int
	Nick      *string
	Active    bool
	Score     float64
	Photo     []byte
	Version   repository.Version
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt `gorm:"index"`
	Pets      []Pet
}

// Pet has a UUID, and belongs to a User.
type Pet struct {
	ID     uuid.UUID `gorm:"type:uuid;primaryKey"`
	UserID uint
	Name   string
}

// Line has a composite key.
type Line struct {
	OrderID int64 `gorm:"primaryKey;autoIncrement:false"`
	Number  int   `gorm:"primaryKey;autoIncrement:false"`
	Text    string
}

type LineID struct {
	OrderID int64
	Number  int
}

// Plain shares no memory between copies.
type Plain struct {
	ID   int64 `gorm:"primaryKey"`
	Name string
}

var models = []any{&User{}, &Pet{}, &Line{}, &Plain{}}

// eachDatabase runs a test on every database there is: SQLite in a file, SQLite in memory, the PostgreSQL
// that DATABASE_URL names, and the MySQL or MariaDB that MYSQL_URL names.
func eachDatabase(t *testing.T, test func(t *testing.T, open func(t testing.TB, cfg repository.Config) *repository.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, openFile)
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, start)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, openPostgres)
	})
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		test(t, openMySQL)
	})
}

func start(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.AutoMigrate == nil {
		cfg.AutoMigrate = models
	}
	db, err := repository.NewDB(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openFile(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = dbtest.SQLite(t)
	}
	return start(t, cfg)
}

func openPostgres(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = dbtest.Postgres(t)
	}
	return start(t, cfg)
}

func openMySQL(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = dbtest.MySQL(t)
	}
	return start(t, cfg)
}

func users(t testing.TB, db *repository.DB, opts ...repository.ModelOption[User]) *repository.Repository[User, uint] {
	return repo[User, uint](t, db, opts...)
}

func repo[T any, ID comparable](t testing.TB, db *repository.DB, opts ...repository.ModelOption[T]) *repository.Repository[T, ID] {
	t.Helper()
	r, err := repository.New[T, ID](db, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
