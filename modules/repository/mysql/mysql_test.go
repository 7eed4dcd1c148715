package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/repository"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a database of the test's own on the server that MYSQL_URL names.
func server(t *testing.T) *mysqldriver.Config {
	t.Helper()
	base := os.Getenv("MYSQL_URL")
	if base == "" {
		t.Skip("MYSQL_URL names no MySQL or MariaDB; .ci/mariadb start runs one")
	}
	cfg, err := parse(base)
	must(t, err)
	admin := handle(t, cfg)
	name := "m_" + strings.ToLower(rand.Text())
	execute(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, admin, "DROP DATABASE "+name) })
	cfg.DBName = name
	return cfg
}

func handle(t *testing.T, cfg *mysqldriver.Config) *sql.DB {
	t.Helper()
	db, err := Open(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDSNsThatUsersHave(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"mysql://app:secret@db.example:3307/shop":              "app:secret@tcp(db.example:3307)/shop",
		"mariadb://app@db.example/shop?timeout=3s":             "app:@tcp(db.example:3306)/shop",
		"mysql://app:p%40ss%2Fw%3Ard@h/shop":                   "app:p@ss/w:rd@tcp(h:3306)/shop",
		"mysql://app@[::1]:3307/shop":                          "app:@tcp([::1]:3307)/shop",
		"mysql:///shop":                                        ":@tcp(127.0.0.1:3306)/shop",
		"app:x@/shop":                                          "app:x@tcp(127.0.0.1:3306)/shop",
		"mysql://app:x@localhost/shop?socket=/run/mysqld.sock": "app:x@unix(/run/mysqld.sock)/shop",
		"mysql://app:s@cret@tcp(h:3307)/shop?parseTime=true":   "app:s@cret@tcp(h:3307)/shop",
		"app:s@c/r?t@tcp(h:3307)/shop":                         "app:s@c/r?t@tcp(h:3307)/shop",
		"app:secret@unix(/run/mysqld.sock)/shop?loc=UTC":       "app:secret@unix(/run/mysqld.sock)/shop",
		"tcp(h)/shop?clientFoundRows=1&charset=utf8mb4,utf8":   ":@tcp(h:3306)/shop",
		"mysql://h/a%2Fb":                                      ":@tcp(h:3306)/a/b",
	} {
		cfg, err := parse(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := fmt.Sprintf("%s:%s@%s(%s)/%s", cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName); got != want {
			t.Errorf("%s is read as %s, want %s", dsn, got, want)
		}
	}
}

func TestAWrongDSNNamesTheMend(t *testing.T) {
	t.Parallel()
	for dsn, mend := range map[string]string{
		"mysql://app:secret@h":                             "names no database: it looks like mysql://",
		"mysql://app:secret@h/":                            "names no database",
		"app:secret@tcp(h:3306)":                           "names no database",
		"mysql://app:secret#1@h/shop":                      "percent-encoded",
		"mysql://app:sec/ret@h/shop":                       "percent-encoded",
		"mysql://app:secret@h/shop?parseTime=false":        "parseTime=false: it must be true",
		"mysql://app:secret@h/shop?clientFoundRows=false":  "clientFoundRows=false: it must be true",
		"mysql://app:secret@h/shop?interpolateParams=true": "leave it out",
		"mysql://app:secret@h/shop?loc=Local":              "time.Time.In",
		"mysql://app:secret@h/shop?loc=Europe/Berlin":      "time.Time.In",
		"mysql://app:secret@h/shop?time_zone=%27SYSTEM%27": "time.Time.In",
		"mysql://app:secret@h/shop?charset=latin1":         "utf8mb4",
		"mysql://app:secret@h/shop?collation=latin1_bin":   "utf8mb4",
		"mysql://app:secret@h/shop?strict=true":            "strict mode: leave it out",
		"mysql://app:secret@h/shop?sslmode=require":        "tls=true",
		"mysql://app:secret@h/shop?columnsWithAlias=true":  "leave it out",
		"mysql://app:secret@h/shop?timeout=3":              "missing unit",
		"mysql://app:secret@h/shop?tls=unheard":            "unheard",
	} {
		cfg, err := parse(dsn)
		if err == nil {
			_, err = complete(cfg)
		}
		switch {
		case err == nil:
			t.Errorf("%s was taken", dsn)
		case !strings.Contains(err.Error(), mend):
			t.Errorf("%s: the error does not say %q: %v", dsn, mend, err)
		case strings.Contains(err.Error(), "secret"), strings.Contains(err.Error(), "sec/ret"):
			t.Errorf("%s: the error shows the password: %v", dsn, err)
		}
	}
}

func TestServersThatBreakAPromiseAreRefused(t *testing.T) {
	t.Parallel()
	for version, taken := range map[string]bool{
		"8.0.36": true, "8.4.3": true, "9.7.4-2": true, "10.11.19-MariaDB-0+deb12u1-log": true, "11.8.2-MariaDB": true, "10.6.5-MariaDB": true,
		"5.7.44-log": false, "10.5.29-MariaDB": false, "5.5.5-10.2.1-MariaDB": false, "8.0.11-TiDB-v8.5.0": false, "8.0.30-Vitess": false, "?": false,
	} {
		if err := supported(version); (err == nil) != taken {
			t.Errorf("%s: %v", version, err)
		}
	}
	cfg := server(t)
	cfg.Params = map[string]string{"auto_increment_increment": "3"}
	if err := handle(t, cfg).PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "add auto_increment_increment=1 to the DSN") {
		t.Errorf("several writing nodes: %v", err)
	}
}

// What the session must be, whatever the server's defaults are.
func TestTheSessionIsAsPromised(t *testing.T) {
	t.Parallel()
	cfg := server(t)
	for name, tc := range map[string]struct {
		params    map[string]string
		isolation string
	}{
		"default":    {nil, "READ-COMMITTED"},
		"hostile":    {map[string]string{"sql_mode": "''", "lc_messages": "'de_DE'"}, "READ-COMMITTED"},
		"own choice": {map[string]string{isolationVariable(t, cfg): "'SERIALIZABLE'"}, "SERIALIZABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg.Clone()
			cfg.Params = tc.params
			cfg.ParseTime = false // Open knows better
			db := handle(t, cfg)
			var isolation, mode, zone, client string
			must(t, db.QueryRowContext(t.Context(), "SELECT @@"+isolationVariable(t, cfg)+", @@sql_mode, @@time_zone, @@character_set_client").
				Scan(&isolation, &mode, &zone, &client))
			if isolation != tc.isolation || !strings.Contains(mode, "STRICT_ALL_TABLES") || strings.Contains(mode, "NO_ZERO") || zone != "+00:00" || client != "utf8mb4" {
				t.Errorf("isolation %s, mode %s, zone %s, client %s", isolation, mode, zone, client)
			}
			execute(t, db, "CREATE TEMPORARY TABLE f (a INT)")
		})
	}
}

func isolationVariable(t *testing.T, cfg *mysqldriver.Config) string {
	t.Helper()
	if strings.HasPrefix(version(t, cfg), "10.") { // MariaDB
		return "tx_isolation"
	}
	return "transaction_isolation"
}

func version(t *testing.T, cfg *mysqldriver.Config) (v string) {
	t.Helper()
	must(t, handle(t, cfg).QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&v))
	return v
}

func TestBorrowedHandlesMustBeOfOpen(t *testing.T) {
	t.Parallel()
	cfg := server(t)
	plain, err := mysqldriver.NewConnector(cfg)
	must(t, err)
	foreign := sql.OpenDB(plain)
	defer func() { must(t, foreign.Close()) }()
	if _, err := repository.NewDB(repository.Config{Driver: "mysql"}, repository.WithSQL(foreign)); err == nil || !strings.Contains(err.Error(), "use its Open") {
		t.Errorf("a foreign handle: %v", err)
	}
	own := handle(t, cfg)
	db, err := repository.NewDB(repository.Config{Driver: "mysql"}, repository.WithSQL(own))
	must(t, err)
	must(t, db.Start(t.Context()))
	must(t, db.Stop(context.Background()))
	must(t, own.PingContext(t.Context()))
}
