package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// Open returns a handle for [repository.WithSQL] that keeps what package repository promises. Use it for
// what a DSN cannot say, such as a password that changes; a handle that was opened otherwise is refused.
// Of cfg, Params included, it keeps what does not contradict that. It does not connect.
func Open(cfg *mysqldriver.Config) (*sql.DB, error) {
	cfg, err := complete(cfg)
	if err != nil {
		return nil, err
	}
	inner, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	c := &connector{Connector: inner, isolation: true}
	for _, name := range []string{"tx_isolation", "transaction_isolation"} {
		if _, given := cfg.Params[name]; given {
			c.isolation = false
		}
	}
	return sql.OpenDB(c), nil
}

// check refuses handles that are not of Open.
func check(db *sql.DB) error {
	if _, ours := db.Driver().(ownDriver); !ours {
		return errors.New("the handle was not opened by package repository/mysql: use its Open, which sets what repository relies on")
	}
	return nil
}

type connector struct {
	driver.Connector
	isolation bool // nobody chose one
}

// ownDriver marks the handles of Open.
type ownDriver struct{ driver.Driver }

func (c *connector) Driver() driver.Driver { return ownDriver{c.Connector.Driver()} }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := raw.(innerConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("go-sql-driver's %T lacks methods that it had in version 1.10", raw), raw.Close())
	}
	s := &conn{innerConn: inner}
	if err := s.setUp(ctx, c.isolation); err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return s, nil
}

type innerConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

// conn guards a transaction that the server has rolled back. After a deadlock it does that to the whole
// transaction and goes on as if none had been begun: each later statement would commit on its own, though
// the program believes them to be part of the transaction. conn refuses them, and the commit.
type conn struct {
	innerConn
	onTimeout bool  // the server rolls back after a lock timeout too
	inTx      bool  // the program believes
	lost      error // why the server does not
	named     bool  // holds the lock of the migrations
}

func (c *conn) setUp(ctx context.Context, isolation bool) error {
	if isolation {
		// There is no variable of the same name on all servers.
		if _, err := c.innerConn.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
			return err
		}
	}
	v, err := c.variables(ctx, "VERSION()", "@@auto_increment_increment", "@@innodb_rollback_on_timeout", "@@character_set_client", "@@character_set_connection")
	if err != nil {
		return err
	}
	if err := supported(v[0]); err != nil {
		return err
	}
	if v[1] != "1" {
		return fmt.Errorf("auto_increment_increment is %s, as where several nodes take writes: the keys of rows created together could not be told, "+
			"and locks do not reach other nodes; let all processes write to one node and add auto_increment_increment=1 to the DSN", v[1])
	}
	c.onTimeout = v[2] != "0"
	if v[3] != "utf8mb4" || v[4] != "utf8mb4" {
		return fmt.Errorf("the server insists on the character set %s instead of utf8mb4; unset its skip-character-set-client-handshake", v[3])
	}
	return nil
}

func (c *conn) variables(ctx context.Context, names ...string) ([]string, error) {
	rows, err := c.innerConn.QueryContext(ctx, "SELECT "+strings.Join(names, ", "), nil)
	if err != nil {
		return nil, err
	}
	values := make([]driver.Value, len(names))
	if err := rows.Next(values); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	text := make([]string, len(names))
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			v = string(b)
		}
		text[i] = fmt.Sprint(v)
	}
	return text, rows.Close()
}

var versions = regexp.MustCompile(`^(\d+)\.(\d+)`)

// supported refuses servers on which a promise of repository would break: those whose DDL is not atomic,
// and those that hand out automatic ids in another order than that of the inserts.
func supported(version string) error {
	const need = "; it must be MySQL 8.0 or later, or MariaDB 10.6 or later"
	number := versions.FindStringSubmatch(version)
	lower := strings.ToLower(version)
	if number == nil || strings.Contains(lower, "tidb") || strings.Contains(lower, "vitess") {
		return fmt.Errorf("the server is %s%s", version, need)
	}
	major, _ := strconv.Atoi(number[1]) // digits
	minor, _ := strconv.Atoi(number[2])
	if major < 8 || strings.Contains(lower, "mariadb") && (major < 10 || major == 10 && minor < 6) {
		return fmt.Errorf("the server is %s%s", version, need)
	}
	return nil
}

// note looks for errors with which the server has ended the transaction.
func (c *conn) note(err error) error {
	if err == nil || !c.inTx || c.lost != nil {
		return err
	}
	switch n := number(err); {
	case n == errDeadlock, n == errRecordChanged, n == errLockTableFull, n == errLockTimeout && c.onTimeout:
		c.lost = fmt.Errorf("the server has rolled this transaction back: %w", err)
	}
	return err
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	inner, err := c.innerConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.inTx, c.lost = true, nil
	return &tx{inner, c}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.lost != nil {
		return nil, c.lost
	}
	result, err := c.innerConn.ExecContext(ctx, query, args)
	return result, c.note(err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.lost != nil {
		return nil, c.lost
	}
	c.named = c.named || query == named
	inner, err := c.innerConn.QueryContext(ctx, query, args)
	return c.watch(inner, err)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.lost != nil {
		return nil, c.lost
	}
	prepared, err := c.innerConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.note(err)
	}
	inner, ok := prepared.(innerStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("go-sql-driver's %T lacks methods that it had in version 1.10", prepared), prepared.Close())
	}
	return &stmt{inner, c}, nil
}

type tx struct {
	inner driver.Tx
	c     *conn
}

func (t *tx) Commit() error {
	lost := t.c.lost
	if lost == nil {
		return t.end(t.inner.Commit())
	}
	return t.end(errors.Join(lost, t.inner.Rollback()))
}

func (t *tx) Rollback() error { return t.end(t.inner.Rollback()) }

func (t *tx) end(err error) error {
	c := t.c
	c.inTx, c.lost = false, nil
	if c.named {
		c.named = false
		if _, unlock := c.innerConn.ExecContext(context.Background(), "DO RELEASE_LOCK("+lockName+")", nil); unlock != nil {
			return errors.Join(err, unlock)
		}
	}
	return err
}

type innerStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type stmt struct {
	innerStmt
	c *conn
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.c.lost != nil {
		return nil, s.c.lost
	}
	result, err := s.innerStmt.ExecContext(ctx, args)
	return result, s.c.note(err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.c.lost != nil {
		return nil, s.c.lost
	}
	inner, err := s.innerStmt.QueryContext(ctx, args)
	return s.c.watch(inner, err)
}

type innerRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows notes a deadlock that a locking read meets on its way.
type rows struct {
	innerRows
	c *conn
}

func (r *rows) Next(dest []driver.Value) error { return r.c.note(r.innerRows.Next(dest)) }

// watch wraps the rows of a transaction; outside of one there is nothing to lose.
func (c *conn) watch(inner driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, c.note(err)
	}
	if known, ok := inner.(innerRows); ok && c.inTx {
		return &rows{known, c}, nil
	}
	return inner, nil
}
