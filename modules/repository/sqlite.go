package repository

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
	"github.com/ncruces/go-sqlite3/vfs/memdb"
	"gorm.io/gorm"
)

//go:embed migrations/*.sql
var sqliteFiles embed.FS

func sqliteMigrations() fs.FS {
	sub, _ := fs.Sub(sqliteFiles, "migrations") // fails on malformed names only
	return sub
}

var sqliteDialect = Dialect{
	Name:    "sqlite",
	Schemes: []string{"sqlite", "file"},
	Open:    openSQLite,
	Gorm:    func(db *sql.DB) gorm.Dialector { return gormlite.OpenDB(db) },
	Script: func(ctx context.Context, tx *sql.Tx, _, text string) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	},
	Classify:     classifySQLite,
	SingleWriter: true,
	Prepare:      true,
	MaxBind:      32_766, // SQLITE_MAX_VARIABLE_NUMBER, sqlite.org/limits.html
	Migrations:   sqliteMigrations(),
	EventLog: EventLog{ // ids follow commits: there is one writer
		Begin:    "0",
		Snapshot: "SELECT CAST(COALESCE(MAX(id), 0) AS TEXT) FROM fxpond_events",
		Valid:    func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" },
		Window: func(since, until, _ string, id int64) (string, []any) {
			return "id > CAST(? AS INTEGER) AND id <= CAST(? AS INTEGER) AND id > ?", []any{since, until, id}
		},
	},
}

func openSQLite(dsn string) (*sql.DB, func(), error) {
	full, memory, err := sqliteDSN(dsn)
	if err != nil {
		return nil, nil, err
	}
	release := func() {}
	if memory != "" {
		memdb.Create(memory, nil) // lives until released, however many connections there are
		release = func() { memdb.Delete(memory) }
	}
	db, err := driver.Open(full)
	if err != nil {
		release()
		return nil, nil, err
	}
	return db, release, nil
}

// sqliteDSN completes a file name or URL. A database in memory gets a name of its own, because with
// ":memory:" each connection would have a database of its own.
func sqliteDSN(dsn string) (full, memory string, err error) {
	dsn = strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite://"), "sqlite:")
	name, rawQuery, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", "", fmt.Errorf("repository: reading the query of the SQLite DSN: %w", err)
	}
	if name == "" || name == ":memory:" || query.Get("mode") == "memory" {
		memory = "fxpond-" + rand.Text()
		name = "/" + memory
		query.Del("mode")
		query.Set("vfs", "memdb")
	}
	switch lock := query.Get("_txlock"); lock {
	case "", "deferred", "concurrent":
		// A deferred transaction that reads before it writes fails at once when another has written
		// (SQLITE_BUSY_SNAPSHOT), and no busy timeout helps.
		query.Set("_txlock", "immediate")
	}
	if !query.Has("_timefmt") {
		// Fixed width, in UTC: text that sorts by time.
		query.Set("_timefmt", string(sqlite3.TimeFormat7))
	}
	pragmas := query["_pragma"]
	set := []string{}
	for _, pragma := range []string{"busy_timeout(5000)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(on)"} {
		key, _, _ := strings.Cut(pragma, "(")
		if memory != "" && key == "journal_mode" {
			continue
		}
		if !setsPragma(pragmas, key) {
			set = append(set, pragma)
		}
	}
	query["_pragma"] = append(set, pragmas...)
	return "file:" + name + "?" + query.Encode(), memory, nil
}

func setsPragma(pragmas []string, key string) bool {
	for _, p := range pragmas {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(p)), key) {
			return true
		}
	}
	return false
}

func classifySQLite(err error) Fault {
	switch {
	case errors.Is(err, sqlite3.CONSTRAINT_UNIQUE), errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY), errors.Is(err, sqlite3.CONSTRAINT_ROWID):
		return FaultDuplicate
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED):
		return FaultConflict
	}
	return FaultOther
}
