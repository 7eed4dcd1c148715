// Package postgres lets package repository open PostgreSQL. Import it for that:
//
//	import _ "github.com/fxpond/fxpond/modules/repository/postgres"
//
// and give repository.Config a DSN such as "postgres://user@host/app". It stands apart so that users of
// SQLite do not carry it.
//
// pgx connects, in the extended protocol only: every value travels apart from the SQL. gorm's own
// PostgreSQL dialector writes the SQL of models.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/fxpond/fxpond/modules/repository"
)

func init() { repository.Register(&dialect) }

//go:embed migrations/*.sql
var files embed.FS

func migrations() fs.FS {
	sub, _ := fs.Sub(files, "migrations") // fails on malformed names only
	return sub
}

var dialect = repository.Dialect{
	Name:     "postgres",
	Schemes:  []string{"postgres", "postgresql"},
	Open:     open,
	Gorm:     func(db *sql.DB) gorm.Dialector { return gormpostgres.New(gormpostgres.Config{Conn: db}) },
	Script:   script,
	Lock:     lock,
	Clock:    "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
	Classify: classify,
	Arrays:   true,
	Dollar:   true,
	MaxBind:  65_535, // the protocol counts parameters in 16 bits

	Migrations: migrations(),
	EventLog: repository.EventLog{
		Begin:    "1:1:",
		Snapshot: "SELECT pg_current_snapshot()::text",
		Valid:    regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*:([0-9]+(,[0-9]+)*)?$`).MatchString,
		Window:   window,
	},
}

func open(dsn string) (*sql.DB, func(), error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the DSN: %w", withoutDSN(err))
	}
	if mode := cfg.DefaultQueryExecMode; mode == pgx.QueryExecModeSimpleProtocol {
		return nil, nil, errors.New("the simple protocol puts values into the SQL text and is not supported; choose another default_query_exec_mode")
	}
	if _, set := cfg.RuntimeParams["timezone"]; !set {
		cfg.RuntimeParams["timezone"] = "UTC"
	}
	return stdlib.OpenDB(*cfg), func() {}, nil
}

// withoutDSN drops what may hold the password.
func withoutDSN(err error) error {
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		if cause := parse.Unwrap(); cause != nil {
			return cause
		}
		return errors.New("it cannot be parsed")
	}
	return err
}

// script takes several statements, which the extended protocol does not. It binds no values.
func script(ctx context.Context, tx *sql.Tx, _, text string) error {
	_, err := tx.ExecContext(ctx, text, pgx.QueryExecModeSimpleProtocol)
	return err
}

func lock(ctx context.Context, tx repository.Queryer, name string) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('fxpond.' || current_schema() || '.' || $1, 0))", name)
	return err
}

// classify reads SQLSTATEs: postgresql.org/docs/current/errcodes-appendix.html.
func classify(err error) repository.Fault {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		// pgx refuses a value that the column's type cannot hold before it is sent.
		if strings.Contains(err.Error(), "failed to encode args") {
			return repository.FaultValue
		}
		return repository.FaultOther
	}
	switch {
	case pgErr.Code == "23505":
		return repository.FaultDuplicate
	case pgErr.Code == "40001", pgErr.Code == "40P01": // serialization failure, deadlock
		return repository.FaultConflict
	case strings.HasPrefix(pgErr.Code, "22"): // data exception
		return repository.FaultValue
	}
	return repository.FaultOther
}

// window compares snapshots: postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT.
// The first condition says nothing new but lets the index skip what is long read.
func window(since, until, tx string, id int64) (string, []any) {
	return "tx_id >= pg_snapshot_xmin(?::pg_snapshot) AND NOT pg_visible_in_snapshot(tx_id, ?::pg_snapshot)" +
		" AND pg_visible_in_snapshot(tx_id, ?::pg_snapshot) AND (tx_id, id) > (?::xid8, ?)", []any{since, since, until, tx, id}
}
