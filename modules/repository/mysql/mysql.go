package mysql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	mysqldriver "github.com/go-sql-driver/mysql"

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
	Name:    "mysql",
	Schemes: []string{"mysql", "mariadb"},
	Open: func(dsn string) (*sql.DB, func(), error) {
		cfg, err := parse(dsn)
		if err != nil {
			return nil, nil, err
		}
		db, err := Open(cfg)
		return db, func() {}, err
	},
	Check:    check,
	Gorm:     newDialector,
	Script:   script,
	Lock:     lock,
	Clock:    "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
	Classify: classify,
	MySQL:    true,
	Prepare:  true,
	MaxBind:  65_535, // the protocol counts parameters in 16 bits

	Migrations: migrations(),
	EventLog: repository.EventLog{ // ids follow commits, because whoever appends holds a lock until then
		Serial:   true,
		Begin:    "0",
		Snapshot: "SELECT COALESCE(MAX(id), 0) FROM fxpond_events",
		Valid:    func(s string) bool { _, err := strconv.ParseUint(s, 10, 63); return err == nil },
		Window:   window,
	},
}

// window needs no more than the place of the row; the constant tx_id lets the primary key give the order.
func window(since, until, _ string, id int64) (string, []any) {
	read, _ := strconv.ParseInt(since, 10, 64) // Valid said that they are numbers
	last, _ := strconv.ParseInt(until, 10, 64)
	return "tx_id = 0 AND id > ? AND id <= ?", []any{max(read, id), last}
}

// named takes a lock of the session, one of this database among those of the server. The migrations need
// one before there is any table. conn gives it back when the transaction ends.
const named = "SELECT GET_LOCK(" + lockName + ", 31536000)"

const lockName = "CONCAT('fxpond.', LEFT(SHA2(DATABASE(), 256), 40))" // at most 64 characters

func lock(ctx context.Context, tx repository.Queryer, name string) error {
	if name == "migrate" {
		var got sql.NullInt64
		if err := tx.QueryRowContext(ctx, named).Scan(&got); err != nil {
			return err
		}
		if got.Int64 != 1 {
			return errors.New("waiting for another process to migrate: the server's GET_LOCK gave up")
		}
		return nil
	}
	err := tx.QueryRowContext(ctx, "SELECT name FROM fxpond_locks WHERE name = ? FOR UPDATE", name).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("table fxpond_locks has no row %q: run the migrations", name)
	}
	return err
}

// The numbers of the server's errors that are told apart:
// dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, mariadb.com/docs/server/reference/error-codes.
const (
	errRecordChanged  = 1020 // MariaDB with innodb_snapshot_isolation
	errDuplicate      = 1062
	errLockTimeout    = 1205
	errLockTableFull  = 1206
	errDeadlock       = 1213
	errSubqueryRows   = 1242
	errOutOfRange     = 1264
	errTruncated      = 1265
	errWrongValue     = 1292
	errWrongField     = 1366
	errTooLong        = 1406
	errWrongDateTime  = 1525
	errDuplicateNamed = 1586
	errRollbackCommit = 3101 // group replication
	errInvalidJSON    = 3140
	errLockNowait     = 3572
)

func classify(err error) repository.Fault {
	switch number(err) {
	case errDuplicate, errDuplicateNamed:
		return repository.FaultDuplicate
	case errSubqueryRows:
		return repository.FaultOtherKey
	case errDeadlock, errLockTimeout, errRecordChanged, errLockTableFull, errRollbackCommit, errLockNowait:
		return repository.FaultConflict
	case errOutOfRange, errTruncated, errWrongValue, errWrongField, errTooLong, errWrongDateTime, errInvalidJSON:
		return repository.FaultValue
	}
	return repository.FaultOther
}

// number is that of the server's error, 0 if it is not the server's.
func number(err error) uint16 {
	if my, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		return my.Number
	}
	return 0
}
