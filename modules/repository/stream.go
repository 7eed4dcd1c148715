package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// AnyVersion is the expected version of those who do not care what is in a stream.
const AnyVersion = -1

// AppendTo adds events to a stream of the log, all or none, if the stream is at the expected version: the
// number of its events, or AnyVersion. Otherwise it is an ErrConflict, as it is for the slower of two who
// expect the same version at the same time. It returns the new version. An event that is in the log
// already, by Source and ID, is an ErrDuplicate. It joins the context's transaction.
func (s *Store) AppendTo(ctx context.Context, stream string, expected int64, all ...events.Any) (version int64, err error) {
	err = s.d.Transaction(ctx, func(ctx context.Context) error {
		if err := s.inTurn(ctx); err != nil {
			return err
		}
		at, err := s.version(ctx, stream)
		if err != nil {
			return err
		}
		if expected != AnyVersion && expected != at {
			return fmt.Errorf("%w: stream is at version %d, not %d", ErrConflict, at, expected)
		}
		insert := s.d.dialect.Rebind("INSERT INTO fxpond_events (" + eventColumns + ", stream, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
		now := time.Now()
		for i, e := range all {
			row, err := eventRow(e, now)
			if err != nil {
				return events.Permanent(err)
			}
			if _, err := s.d.SQL(ctx).ExecContext(ctx, insert, append(row, stream, at+int64(i)+1)...); err != nil {
				return err
			}
		}
		version = at + int64(len(all))
		return nil
	})
	if err == nil {
		return version, nil
	}
	err = s.d.closedOr(s.d.classify(err))
	if errors.Is(err, ErrDuplicate) {
		// Either key may be the taken one; the stream has moved if it is the version's.
		if at, look := s.version(context.WithoutCancel(ctx), stream); look == nil && expected != AnyVersion && at != expected {
			err = fmt.Errorf("%w: stream is at version %d, not %d", ErrConflict, at, expected)
		}
	}
	return 0, fmt.Errorf("repository: appending to stream %q: %w", stream, err)
}

// version counts the events of a stream.
func (s *Store) version(ctx context.Context, stream string) (at int64, err error) {
	query := s.d.dialect.Rebind("SELECT COALESCE(MAX(version), 0) FROM fxpond_events WHERE stream = ?")
	err = s.d.SQL(ctx).QueryRowContext(ctx, query, stream).Scan(&at)
	return at, err
}

// ReadStream yields the events of a stream behind a version, in their order; the version of each is its
// place, so the first yielded is after+1. It reads page by page, as Read does.
func (s *Store) ReadStream(ctx context.Context, stream string, after int64) iter.Seq2[events.Recorded, error] {
	query := s.d.dialect.Rebind("SELECT CONCAT(tx_id, ''), id, " + eventColumns +
		fmt.Sprintf(" FROM fxpond_events WHERE stream = ? AND version > ? ORDER BY version LIMIT %d", readRows))
	return func(yield func(events.Recorded, error) bool) {
		for {
			page, err := s.rows(ctx, new(position), query, stream, after)
			if err != nil {
				yield(events.Recorded{}, fmt.Errorf("repository: reading stream %q: %w", stream, s.d.closedOr(err)))
				return
			}
			for _, r := range page {
				r.Cursor = "" // of the log, not of a stream
				if !yield(r, nil) {
					return
				}
			}
			if after += int64(len(page)); len(page) < readRows {
				return
			}
		}
	}
}
