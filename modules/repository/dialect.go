package repository

import (
	"context"
	"database/sql"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gorm.io/gorm"
)

// Dialect is what this package must know about a kind of database. SQLite's is built in; importing
// package repository/postgres registers PostgreSQL's, and repository/mysql that of MySQL and MariaDB.
type Dialect struct {
	// Name is the value of Config.Driver that selects the dialect.
	Name string

	// Schemes are the URL schemes of its DSNs.
	Schemes []string

	// Open returns a handle and need not connect. release is called after the handle is closed.
	Open func(dsn string) (db *sql.DB, release func(), err error)

	// Check refuses a handle of WithSQL that cannot keep what this package promises. nil takes all.
	Check func(db *sql.DB) error

	// Gorm returns the dialector over an open handle.
	Gorm func(db *sql.DB) gorm.Dialector

	// Migrations holds fxpond's own tables.
	Migrations fs.FS

	// Script runs the statements of a migration. Its name is unique in the database, and stays the same
	// when a start that failed is repeated.
	Script func(ctx context.Context, tx *sql.Tx, name, text string) error

	// Lock waits, inside a transaction, until no other transaction holds the lock of that name, and holds
	// it to the end of the transaction. nil where a write transaction excludes all others anyway.
	Lock func(ctx context.Context, tx Queryer, name string) error

	// Clock is an SQL expression of the database's clock in Unix milliseconds. Empty means: this
	// process's clock, for a database that lives in this process.
	Clock string

	// Classify makes sense of the driver's errors.
	Classify func(err error) Fault

	// SingleWriter says that one write transaction excludes all others: they then queue in this process,
	// in order and with their contexts, instead of polling a lock.
	SingleWriter bool

	// Arrays says that "= ANY(?)" takes a slice as one parameter.
	Arrays bool

	// Dollar says that parameters are written $1, $2 instead of ?.
	Dollar bool

	// MySQL says that the SQL is MySQL's: no ON CONFLICT but ON DUPLICATE KEY UPDATE, which answers to
	// every unique key; no RETURNING; no partial index. A statement that fails leaves its transaction as
	// it was. Text is compared with a number as a number.
	MySQL bool

	// Prepare says that statements gain from being prepared by this package, because the driver keeps none.
	Prepare bool

	// MaxBind is the limit of parameters in a statement.
	MaxBind int

	// EventLog is how the event store is read.
	EventLog EventLog
}

// EventLog reads a log in such a way that no committed event is skipped, though transactions commit in
// another order than they began in. What a reader can see is named by a snapshot, a text.
type EventLog struct {
	// Serial says that ids follow commits only if whoever appends holds the lock "events" first.
	Serial bool
	// Begin is the snapshot in which nothing is visible.
	Begin string
	// Snapshot selects the current one.
	Snapshot string
	// Valid tells whether a text may be a snapshot.
	Valid func(snapshot string) bool
	// Window is the condition for rows that are visible in until, not in since, and behind (tx, id).
	Window func(since, until, tx string, id int64) (cond string, args []any)
}

var dialects = struct {
	sync.RWMutex
	list []*Dialect
}{list: []*Dialect{&sqliteDialect}}

// Register makes a dialect known, or replaces the one of the same name. It is meant for the init
// function of a package that brings a driver along.
func Register(d *Dialect) {
	dialects.Lock()
	defer dialects.Unlock()
	for i, known := range dialects.list {
		if known.Name == d.Name {
			dialects.list[i] = d
			return
		}
	}
	dialects.list = append(dialects.list, d)
}

func dialectNamed(name string) *Dialect {
	dialects.RLock()
	defer dialects.RUnlock()
	for _, d := range dialects.list {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// driverOf tells the dialect by the DSN's scheme. A scheme that nobody registered is named in the error
// that validate then makes.
func driverOf(dsn string) string {
	if nativeMySQL(dsn) >= 0 {
		return "mysql"
	}
	scheme, _, found := strings.Cut(dsn, "://")
	if u, err := url.Parse(dsn); !found && err == nil {
		scheme, found = u.Scheme, u.Scheme != ""
	}
	if !found {
		return sqliteDialect.Name
	}
	dialects.RLock()
	defer dialects.RUnlock()
	for _, d := range dialects.list {
		if slices.Contains(d.Schemes, scheme) {
			return d.Name
		}
	}
	return scheme
}

// nativeMySQL finds the address in a DSN of go-sql-driver's form, user:password@tcp(host:3306)/database,
// which has no scheme. It is -1 in others.
func nativeMySQL(dsn string) int {
	for _, network := range []string{"tcp(", "unix("} {
		if strings.HasPrefix(dsn, network) {
			return 0
		}
		if at := strings.LastIndex(dsn, "@"+network); at >= 0 {
			return at + 1
		}
	}
	return -1
}

// SkipTaken ends an INSERT so that it leaves out rows whose key is taken, the one of the column. On MySQL
// they count as inserted.
func (d *Dialect) SkipTaken(column string) string {
	if d.MySQL {
		return " ON DUPLICATE KEY UPDATE " + column + " = VALUES(" + column + ")"
	}
	return " ON CONFLICT DO NOTHING"
}

// Rebind writes the parameters of a statement the way the dialect wants them, as $1, $2 where it wants that. The
// statement holds no ? but parameters, and all its values are bound.
func (d *Dialect) Rebind(query string) string {
	if !d.Dollar {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
