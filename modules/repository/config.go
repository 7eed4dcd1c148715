package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config opens the database. The zero value opens a SQLite database in memory, which ends with the
// process.
type Config struct {
	// Driver names the dialect: "sqlite", "postgres" once package repository/postgres is imported, or
	// "mysql", for MariaDB too, once package repository/mysql is. Default: what the scheme of DSN says,
	// else "sqlite".
	Driver string

	// DSN tells which database to open: a file name or "file:" URL for SQLite, a "postgres://" URL for
	// PostgreSQL, a "mysql://" or "mariadb://" URL or "user:password@tcp(host:3306)/database" for MySQL
	// and MariaDB. SQLite gets write-ahead logging, immediate transactions, a busy timeout of 5s and
	// foreign keys, unless the DSN says otherwise. Default: SQLite in memory.
	DSN string

	// MaxOpenConns caps the connections. Default 10.
	MaxOpenConns int

	// MaxIdleConns is how many connections stay open without work. Default MaxOpenConns; -1 keeps none.
	MaxIdleConns int

	// ConnMaxLifetime closes a connection of that age, so that a fail-over is noticed. Default 30m; -1 never.
	ConnMaxLifetime time.Duration

	// ConnMaxIdleTime closes a connection that idled that long. Default 5m; -1 never.
	ConnMaxIdleTime time.Duration

	// ConnectTimeout bounds the pings at start, which repeat until one succeeds. Default 10s.
	ConnectTimeout time.Duration

	// QueryTimeout bounds a coalesced query, which belongs to no single caller, and the wait for SQLite's
	// one writer. Default 30s; -1 leaves both unbounded.
	QueryTimeout time.Duration

	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter wins. Default 1s, so that
	// all modules together stay inside Fx's 15s.
	ShutdownTimeout time.Duration

	// Migrate says what Start does about missing migrations. Default MigrateUp.
	Migrate MigrateMode

	// Migrations holds the application's own migrations: files named "0001_users.sql" and so on in one
	// directory, run once each, in order, under the same lock as fxpond's. Default: none.
	Migrations fs.FS

	// AutoMigrate creates the tables of these models with gorm, for development: it never drops a column
	// and cannot be reviewed. It runs after Migrations, under the same lock. Default: none.
	AutoMigrate []any

	// Coalesce tunes the batching of concurrent finds.
	Coalesce Coalesce
}

// Coalesce tunes how concurrent FindAsync calls share queries.
type Coalesce struct {
	// MaxBatch caps the ids of one query. Default 250: fewer queries at a time leave more of the database
	// to everybody else, and all callers of a query wait for its last row.
	MaxBatch int

	// Slots caps the coalesced queries in flight, over all repositories of a DB. Default three quarters
	// of MaxOpenConns, at least 1: transactions and other queries keep the rest.
	Slots int

	// Disable sends each find on its own, still on at most Slots connections. Default false.
	Disable bool
}

// MigrateMode says what Start does about migrations that the database lacks.
type MigrateMode string

// The modes of migrating.
const (
	// MigrateUp runs them, one process at a time.
	MigrateUp MigrateMode = "up"
	// MigrateCheck fails the start, for those who migrate in a deployment step with [DB.Migrate].
	MigrateCheck MigrateMode = "check"
	// MigrateOff does not look.
	MigrateOff MigrateMode = "off"
)

func (c Config) withDefaults() Config {
	if c.Driver == "" {
		c.Driver = driverOf(c.DSN)
	}
	c.MaxOpenConns = or(c.MaxOpenConns, 10)
	c.MaxIdleConns = or(c.MaxIdleConns, c.MaxOpenConns)
	c.ConnMaxLifetime = or(c.ConnMaxLifetime, 30*time.Minute)
	c.ConnMaxIdleTime = or(c.ConnMaxIdleTime, 5*time.Minute)
	c.ConnectTimeout = or(c.ConnectTimeout, 10*time.Second)
	c.QueryTimeout = or(c.QueryTimeout, 30*time.Second)
	c.ShutdownTimeout = or(c.ShutdownTimeout, time.Second)
	c.Migrate = or(c.Migrate, MigrateUp)
	c.Coalesce.MaxBatch = or(c.Coalesce.MaxBatch, 250)
	c.Coalesce.Slots = or(c.Coalesce.Slots, max(1, c.MaxOpenConns*3/4))
	if c.Coalesce.Disable {
		c.Coalesce.MaxBatch = 1
	}
	return c
}

func or[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}

// validate expects defaults to be filled in.
func (c Config) validate() error {
	var errs []error
	bad := func(field string, value any, reason, hint string) {
		errs = append(errs, fmt.Errorf("repository.Config.%s is %v: %s; %s", field, value, reason, hint))
	}
	if dialectNamed(c.Driver) == nil {
		bad("Driver", c.Driver, "no such dialect is registered",
			`use "sqlite", or import github.com/fxpond/fxpond/modules/repository/postgres for "postgres", `+
				`github.com/fxpond/fxpond/modules/repository/mysql for "mysql"`)
	}
	if c.MaxOpenConns < 1 {
		bad("MaxOpenConns", c.MaxOpenConns, "a database needs at least one connection", "use 0 for the default")
	}
	if c.MaxIdleConns < -1 {
		bad("MaxIdleConns", c.MaxIdleConns, "a count cannot be negative", "use -1 to keep none, 0 for the default")
	}
	for _, d := range []struct {
		field   string
		value   time.Duration
		withOff bool
	}{
		{"ConnMaxLifetime", c.ConnMaxLifetime, true},
		{"ConnMaxIdleTime", c.ConnMaxIdleTime, true},
		{"QueryTimeout", c.QueryTimeout, true},
		{"ConnectTimeout", c.ConnectTimeout, false},
		{"ShutdownTimeout", c.ShutdownTimeout, false},
	} {
		switch {
		case d.value < 0 && !d.withOff:
			bad(d.field, d.value, "a duration cannot be negative", "use 0 for the default")
		case d.value < -1:
			bad(d.field, d.value, "a duration cannot be negative", "use -1 for never, 0 for the default")
		}
	}
	switch c.Migrate {
	case MigrateUp, MigrateCheck, MigrateOff:
	default:
		bad("Migrate", c.Migrate, "no such mode", `use "up", "check" or "off"`)
	}
	if c.Coalesce.MaxBatch < 1 {
		bad("Coalesce.MaxBatch", c.Coalesce.MaxBatch, "a batch holds at least one id", "use Coalesce.Disable to send finds one by one")
	}
	if c.Coalesce.Slots < 1 || c.Coalesce.Slots > max(1, c.MaxOpenConns) {
		bad("Coalesce.Slots", c.Coalesce.Slots, fmt.Sprintf("it must be within 1 and MaxOpenConns (%d)", c.MaxOpenConns), "use 0 for three quarters")
	}
	return errors.Join(errs...)
}

// MarshalLogObject writes the effective values, for the one line at start. The DSN loses its password.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("driver", c.Driver)
	enc.AddString("dsn", redact(c.DSN))
	enc.AddInt("max_open_conns", c.MaxOpenConns)
	enc.AddInt("max_idle_conns", c.MaxIdleConns)
	enc.AddDuration("conn_max_lifetime", c.ConnMaxLifetime)
	enc.AddDuration("conn_max_idle_time", c.ConnMaxIdleTime)
	enc.AddDuration("connect_timeout", c.ConnectTimeout)
	enc.AddDuration("query_timeout", c.QueryTimeout)
	enc.AddDuration("shutdown_timeout", c.ShutdownTimeout)
	enc.AddString("migrate", string(c.Migrate))
	enc.AddInt("coalesce_max_batch", c.Coalesce.MaxBatch)
	enc.AddInt("coalesce_slots", c.Coalesce.Slots)
	return nil
}

// redact keeps of a DSN what is known to be no secret.
func redact(dsn string) string {
	u, err := url.Parse(dsn)
	switch address := nativeMySQL(dsn); {
	case dsn == "":
		return "memory"
	case address >= 0:
		dsn = dsn[address:] // behind user and password
	case strings.Contains(dsn, "://") && err != nil:
		return "(not a valid URL, not shown)"
	case err == nil && u.Scheme != "" && !strings.Contains(u.Opaque, "@"):
		u.RawQuery = ""
		return u.Redacted()
	case strings.ContainsAny(dsn, "= "):
		return "(key=value form, not shown)"
	default:
		dsn = dsn[strings.LastIndexByte(dsn, '@')+1:]
	}
	name, _, _ := strings.Cut(dsn, "?")
	return name
}
