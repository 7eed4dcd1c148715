package repository

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// transaction is what the context carries. A nested one shares tx and is a savepoint of its parent.
type transaction struct {
	tx      *sql.Tx
	parent  *transaction
	foreign bool

	mu    sync.Mutex
	hooks []func(context.Context)
	names int // savepoints made so far, counted by the outermost
}

// txKey finds the transaction of one database: those of two databases do not mix.
type txKey struct{ d *DB }

func (d *DB) current(ctx context.Context) *transaction {
	t, _ := ctx.Value(txKey{d}).(*transaction)
	return t
}

// Transaction runs fn in a transaction: everything of this database that is given fn's context is part
// of it. It commits if fn returns nil and rolls back if fn returns an error, panics or exits. Inside
// another transaction it is a savepoint, so that the outer one survives its failure; opts are then
// refused. One goroutine at a time may open savepoints in a transaction.
//
// The answer is fn's error as it is. A commit that the database refuses because of another transaction
// is an ErrConflict.
func (d *DB) Transaction(ctx context.Context, fn func(ctx context.Context) error, opts ...*sql.TxOptions) error {
	if outer := d.current(ctx); outer != nil {
		if len(opts) > 0 {
			return errors.New("repository: a nested transaction cannot have options of its own")
		}
		return d.savepoint(ctx, outer, fn)
	}
	var opt *sql.TxOptions
	if len(opts) > 0 {
		opt = opts[0]
	}
	t := new(transaction)
	if err := d.transact(ctx, t, opt, fn); err != nil {
		return err
	}
	outside := context.WithoutCancel(ctx) // what was committed is told, even to a caller who left
	for _, hook := range t.hooks {
		hook(outside)
	}
	return nil
}

func (d *DB) transact(ctx context.Context, t *transaction, opt *sql.TxOptions, fn func(ctx context.Context) error) error {
	if opt == nil || !opt.ReadOnly {
		leave, err := d.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	tx, err := d.sql.BeginTx(ctx, opt)
	if err != nil {
		return fmt.Errorf("repository: beginning a transaction: %w", d.closedOr(d.classify(err)))
	}
	t.tx = tx
	settled := false
	defer func() {
		if !settled { // panic, Goexit or error
			_ = tx.Rollback()
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{d}, t)); err != nil {
		return err
	}
	settled = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("repository: committing: %w", d.classify(err))
	}
	return nil
}

func (d *DB) savepoint(ctx context.Context, outer *transaction, fn func(ctx context.Context) error) error {
	name := fmt.Sprintf("fxpond_%d", outer.nextName())
	if _, err := outer.tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return fmt.Errorf("repository: setting a savepoint: %w", d.classify(err))
	}
	inner := &transaction{tx: outer.tx, parent: outer, foreign: outer.foreign}
	settled := false
	defer func() {
		if settled {
			return
		}
		// A cancelled context has rolled back everything already; then there is no savepoint any more.
		undo := context.WithoutCancel(ctx)
		if _, err := outer.tx.ExecContext(undo, "ROLLBACK TO SAVEPOINT "+name); err == nil {
			_, _ = outer.tx.ExecContext(undo, "RELEASE SAVEPOINT "+name)
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{d}, inner)); err != nil {
		return err
	}
	if _, err := outer.tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name); err != nil {
		return fmt.Errorf("repository: releasing a savepoint: %w", err)
	}
	settled = true
	outer.mu.Lock()
	defer outer.mu.Unlock()
	outer.hooks = append(outer.hooks, inner.hooks...)
	return nil
}

func (t *transaction) nextName() int {
	for t.parent != nil {
		t = t.parent
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names++
	return t.names
}

// JoinTx makes a transaction that the caller began, and will end, the context's transaction.
func (d *DB) JoinTx(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, txKey{d}, &transaction{tx: tx, foreign: true})
}

// InTx tells whether the context carries a transaction of this database.
func (d *DB) InTx(ctx context.Context) bool { return d.current(ctx) != nil }

// AfterCommit runs fn when the outermost transaction of the context has committed, in the order of the
// calls, before Transaction returns. It is dropped when the transaction, or the savepoint it was
// registered in, rolls back. Without a transaction fn runs at once. Its context carries no transaction
// and no cancellation.
func (d *DB) AfterCommit(ctx context.Context, fn func(ctx context.Context)) error {
	t := d.current(ctx)
	switch {
	case t == nil:
		fn(context.WithoutCancel(ctx))
		return nil
	case t.foreign:
		return ErrForeignTx
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hooks = append(t.hooks, fn)
	return nil
}

// write runs a change that several statements or a single one make: in the context's transaction, or
// alone. On a database with one writer it waits for its turn.
func (d *DB) write(ctx context.Context, fn func(ctx context.Context) error) error {
	if d.gate == nil || d.current(ctx) != nil {
		return fn(ctx)
	}
	leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return fn(ctx)
}
