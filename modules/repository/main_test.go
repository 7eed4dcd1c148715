package repository_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/fxpond/fxpond/modules/repository"
	_ "github.com/fxpond/fxpond/modules/repository/mysql"
	_ "github.com/fxpond/fxpond/modules/repository/postgres"
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

// eachServer runs a test with the DSN of a database that several processes can share.
func eachServer(t *testing.T, test func(t *testing.T, dsn string)) {
	for name, dsn := range map[string]func(t testing.TB) string{
		"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "app.db") },
		"postgres": schemaDSN,
		"mysql":    databaseDSN,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dsn(t))
		})
	}
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
		cfg.DSN = filepath.Join(t.TempDir(), "app.db")
	}
	return start(t, cfg)
}

func openPostgres(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = schemaDSN(t)
	}
	return start(t, cfg)
}

func openMySQL(t testing.TB, cfg repository.Config) *repository.DB {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = databaseDSN(t)
	}
	return start(t, cfg)
}

// databaseDSN makes a MySQL database of the test's own.
func databaseDSN(t testing.TB) string {
	t.Helper()
	base := os.Getenv("MYSQL_URL")
	if base == "" {
		t.Skip("MYSQL_URL names no MySQL or MariaDB; .ci/mariadb start runs one")
	}
	admin, err := repository.NewDB(repository.Config{DSN: base})
	must(t, err)
	name := "t_" + strings.ToLower(rand.Text())
	run := func(statement string) {
		_, err := admin.SQL(context.Background()).ExecContext(context.Background(), statement)
		must(t, err)
	}
	run("CREATE DATABASE " + name)
	t.Cleanup(func() {
		run("DROP DATABASE " + name)
		must(t, admin.Stop(context.Background()))
	})
	u, err := url.Parse(base)
	must(t, err)
	u.Path = "/" + name
	return u.String()
}

// schemaDSN makes a schema of the test's own.
func schemaDSN(t testing.TB) string {
	t.Helper()
	base := os.Getenv("DATABASE_URL")
	if base == "" {
		t.Skip("DATABASE_URL names no PostgreSQL; .ci/postgres start runs one")
	}
	schema := "t_" + strings.ToLower(rand.Text())
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Error(err)
		}
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
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
