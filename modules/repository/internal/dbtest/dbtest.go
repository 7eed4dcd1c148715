// Package dbtest makes databases for tests that several processes can share.
package dbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxpond/fxpond/modules/repository"
	_ "github.com/fxpond/fxpond/modules/repository/mysql" // for its driver, as the next
	_ "github.com/fxpond/fxpond/modules/repository/postgres"
)

// Each runs a test on every kind of database there is; dsn makes an empty database of that kind.
func Each(t *testing.T, test func(t *testing.T, dsn func(t testing.TB) string)) {
	for name, dsn := range map[string]func(t testing.TB) string{
		"sqlite":   SQLite,
		"postgres": Postgres,
		"mysql":    MySQL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dsn)
		})
	}
}

// SQLite is the DSN of a new database in a file.
func SQLite(t testing.TB) string {
	return filepath.Join(t.TempDir(), "app.db")
}

// Postgres makes a schema in the PostgreSQL that DATABASE_URL names, and drops it after the test. Without
// that variable the test is skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	base := server(t, "DATABASE_URL", "PostgreSQL; .ci/postgres start runs one")
	schema := name()
	create(t, base, "CREATE SCHEMA "+schema, "DROP SCHEMA "+schema+" CASCADE")
	return With(t, base, "search_path", schema)
}

// MySQL makes a database in the MySQL or MariaDB that MYSQL_URL names, and drops it after the test. Without
// that variable the test is skipped.
func MySQL(t testing.TB) string {
	t.Helper()
	base := server(t, "MYSQL_URL", "MySQL or MariaDB; .ci/mariadb start runs one")
	database := name()
	create(t, base, "CREATE DATABASE "+database, "DROP DATABASE "+database)
	u := parse(t, base)
	u.Path = "/" + database
	return u.String()
}

func server(t testing.TB, variable, missing string) (dsn string) {
	t.Helper()
	if dsn = os.Getenv(variable); dsn == "" {
		t.Skipf("%s names no %s", variable, missing)
	}
	return dsn
}

// With is a DSN with one more parameter.
func With(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u := parse(t, dsn)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func name() string { return "t_" + strings.ToLower(rand.Text()) }

func parse(t testing.TB, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// create runs the first statement now and the second one after the test.
func create(t testing.TB, dsn, now, after string) {
	t.Helper()
	db, err := repository.NewDB(repository.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) error {
		_, err := db.SQL(context.Background()).ExecContext(context.Background(), statement)
		return err
	}
	if err := run(now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run(after); err != nil {
			t.Error(err)
		}
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
