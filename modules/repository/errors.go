package repository

import (
	"database/sql"
	"errors"
	"fmt"
)

var (
	// ErrNotFound is in the error of a lookup or change whose row does not exist.
	ErrNotFound = errors.New("repository: row not found")

	// ErrConflict is in the error of a change that another change overtook: a stale version column, or a
	// transaction that the database gave up. Read again and retry.
	ErrConflict = errors.New("repository: row was changed meanwhile")

	// ErrDuplicate is in the error of a row whose primary or unique key is taken.
	ErrDuplicate = errors.New("repository: key is taken")

	// ErrKey is in New's error when a model's primary key and the ID type do not fit each other.
	ErrKey = errors.New("repository: key does not fit")

	// ErrColumn is in the error of a query or change that names a column the model does not have.
	ErrColumn = errors.New("repository: no such column")

	// ErrCursor is in the error of a page whose cursor is not of this query.
	ErrCursor = errors.New("repository: cursor does not fit the query")

	// ErrNoTx is the answer to what only makes sense inside a transaction.
	ErrNoTx = errors.New("repository: context carries no transaction")

	// ErrForeignTx is the answer to AfterCommit inside a transaction that was adopted with JoinTx: nobody
	// tells this package about its commit.
	ErrForeignTx = errors.New("repository: transaction is not this package's")

	// ErrBusy is in the error of a write that waited QueryTimeout for SQLite's one writer.
	ErrBusy = errors.New("repository: another transaction holds the database")

	// ErrClosed is the answer after Stop.
	ErrClosed = errors.New("repository: database is closed")
)

// NotFoundError says which row was not found. It is an ErrNotFound.
type NotFoundError struct {
	Table string
	ID    any
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("repository: %s %v not found", e.Table, e.ID)
}

// Is makes errors.Is(err, ErrNotFound) true.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// Fault is what a dialect makes of a driver's error.
type Fault int

// The faults that callers can tell apart.
const (
	FaultOther     Fault = iota
	FaultDuplicate       // a unique key is taken
	FaultConflict        // the transaction lost against another and may be retried
	FaultValue           // one of the bound values is not of the column's type
	FaultOtherKey        // the guard that an upsert gets on MySQL met another key than the one it names
)

// isDuplicate tells whether a statement failed because a key is taken.
func (d *DB) isDuplicate(err error) bool {
	return err != nil && d.dialect.Classify(err) == FaultDuplicate
}

// Classify adds what callers branch on, ErrDuplicate, ErrConflict or ErrClosed, to the error of a statement that
// was run with [DB.SQL]. Others stay as they are.
func (d *DB) Classify(err error) error {
	if errors.Is(err, ErrDuplicate) || errors.Is(err, ErrConflict) {
		return err
	}
	return d.closedOr(d.classify(err))
}

// classify adds the sentinel that callers branch on, or what to mend.
func (d *DB) classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("the transaction of this context has ended: what goes on after it needs the context that Transaction was called with, or AfterCommit: %w", err)
	}
	switch d.dialect.Classify(err) {
	case FaultDuplicate:
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case FaultConflict:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}
