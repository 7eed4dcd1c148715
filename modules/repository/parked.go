package repository

import (
	"context"
	"fmt"
	"time"
)

// OutboxStats is a snapshot of an outbox.
type OutboxStats struct {
	Pending int           // recorded, not yet published, not parked
	Parked  int           // given up until somebody requeues or discards them
	Lag     time.Duration // age of the oldest pending event; 0 if there is none
}

// Stats counts what is in the outbox.
func (o *Outbox) Stats(ctx context.Context) (s OutboxStats, err error) {
	var oldest int64
	err = o.d.SQL(ctx).QueryRowContext(ctx, `SELECT
		COALESCE(SUM(CASE WHEN parked_at = 0 THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN parked_at > 0 THEN 1 ELSE 0 END), 0),
		COALESCE(MIN(CASE WHEN parked_at = 0 THEN created_at END), 0) FROM fxpond_outbox`).Scan(&s.Pending, &s.Parked, &oldest)
	if err != nil {
		return s, fmt.Errorf("repository: counting the outbox: %w", o.d.closedOr(err))
	}
	if oldest > 0 {
		s.Lag = max(0, time.Since(time.UnixMilli(oldest)))
	}
	return s, nil
}

// Parked is an event that its publisher refused for good.
type Parked struct {
	ID        int64 // of the row; grows with time
	EventID   string
	Event     string
	Key       string
	Faults    int
	LastError string
	At        time.Time
}

// Parked lists up to n parked events behind the row with that ID, the oldest first.
func (o *Outbox) Parked(ctx context.Context, after int64, n int) (list []Parked, err error) {
	rows, err := o.d.SQL(ctx).QueryContext(ctx, o.d.dialect.Rebind(`SELECT id, event_id, name, ordering_key, faults, last_error, parked_at
		FROM fxpond_outbox WHERE parked_at > 0 AND id > ? ORDER BY id LIMIT ?`), after, max(1, n))
	if err != nil {
		return nil, fmt.Errorf("repository: listing parked events: %w", o.d.closedOr(err))
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	for rows.Next() {
		var p Parked
		var at int64
		if err := rows.Scan(&p.ID, &p.EventID, &p.Event, &p.Key, &p.Faults, &p.LastError, &at); err != nil {
			return nil, fmt.Errorf("repository: listing parked events: %w", err)
		}
		p.At = time.UnixMilli(at).UTC()
		list = append(list, p)
	}
	return list, rows.Err()
}

// Requeue lets parked events be tried again, and tells how many there were.
func (o *Outbox) Requeue(ctx context.Context, ids ...int64) (int64, error) {
	n, err := o.parkedOnly(ctx, "UPDATE fxpond_outbox SET parked_at = 0, available_at = 0, faults = 0 WHERE parked_at > 0 AND id = ?", ids)
	if n > 0 {
		o.relay.Kick()
	}
	return n, err
}

// Discard deletes parked events for good, and tells how many there were.
func (o *Outbox) Discard(ctx context.Context, ids ...int64) (int64, error) {
	return o.parkedOnly(ctx, "DELETE FROM fxpond_outbox WHERE parked_at > 0 AND id = ?", ids)
}

func (o *Outbox) parkedOnly(ctx context.Context, query string, ids []int64) (total int64, err error) {
	err = o.d.Transaction(ctx, func(ctx context.Context) error {
		total = 0
		for _, id := range ids {
			result, err := o.d.SQL(ctx).ExecContext(ctx, o.d.dialect.Rebind(query), id)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("repository: changing parked events: %w", o.d.closedOr(err))
	}
	return total, nil
}
