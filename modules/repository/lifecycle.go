package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Start connects, repeating the ping until ConnectTimeout or ctx ends, and migrates. It may be called
// once; a start that failed has closed the database.
func (d *DB) Start(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped:
		return ErrClosed
	case d.started:
		return nil
	}
	if err := d.connect(ctx); err != nil {
		d.stopped = true
		return errors.Join(err, d.finds.stop(ctx), d.tel.unregister(), d.close())
	}
	d.started = true
	d.log.Info("database open", zap.Object("config", d.cfg))
	if d.cfg.DSN == "" && !d.borrows {
		d.log.Warn("database is in memory and ends with the process: supply repository.Config with a DSN, by value (a pointer is another type to Fx)")
	}
	return nil
}

func (d *DB) connect(ctx context.Context) error {
	if err := d.ping(ctx); err != nil {
		return err
	}
	switch d.cfg.Migrate {
	case MigrateUp:
		return d.Migrate(ctx)
	case MigrateCheck:
		return d.checkMigrated(ctx)
	}
	return nil
}

// ping waits for a database that is still starting.
func (d *DB) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ConnectTimeout)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var err error
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("repository: connecting to %s: %w", redact(d.cfg.DSN), errors.Join(err, context.Cause(ctx)))
		}
		if err = d.sql.PingContext(ctx); err == nil {
			return nil
		}
		timer.Reset(pause)
	}
}

// Stop lets the coalesced finds in flight end, refuses new ones, and closes the database, within
// min(ctx, ShutdownTimeout); what runs longer is cancelled. It is idempotent, and right without Start.
func (d *DB) Stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return nil
	}
	d.stopped = true
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ShutdownTimeout)
	defer cancel()
	err := d.finds.stop(ctx)
	if d.started && d.dialect.SingleWriter && ctx.Err() == nil {
		if _, optimize := d.sql.ExecContext(ctx, "PRAGMA optimize"); optimize != nil { // sqlite.org/pragma.html#pragma_optimize
			d.log.Debug("optimizing before close", zap.Error(optimize))
		}
	}
	return errors.Join(err, d.tel.unregister(), d.close())
}

// Ping tells whether the database answers; health checks call it.
func (d *DB) Ping(ctx context.Context) error { return d.closedOr(d.sql.PingContext(ctx)) }

// closedOr names the reason when a query failed because of Stop.
func (d *DB) closedOr(err error) error {
	if err != nil && err.Error() == "sql: database is closed" { // database/sql exports no sentinel
		return ErrClosed
	}
	return err
}
