package repository

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// Store is an events.Store in the database. Append joins the context's transaction: state and history
// then commit together. Reading on from a cursor shows every committed event once, also those whose
// transactions overlapped or committed out of turn; for that a cursor remembers what its reader could see.
// On MySQL they cannot overlap: a transaction that has appended keeps others from appending until it ends,
// so append last.
// All its methods may be called concurrently, with other processes on the same database too.
type Store struct{ d *DB }

// NewStore makes the store. It owns nothing that must be stopped.
func NewStore(d *DB) *Store { return &Store{d} }

var _ events.Store = (*Store)(nil)

const (
	eventColumns = "identity, event_id, name, source, happened_at, metadata, data, recorded_at"
	appendRows   = 500
	readRows     = 500
)

// Append implements events.Store.
func (s *Store) Append(ctx context.Context, all ...events.Any) error {
	rows := make([][]any, len(all))
	now := time.Now()
	for i, e := range all {
		row, err := eventRow(e, now)
		if err != nil {
			return fmt.Errorf("repository: storing event %q: %w", e.Name, events.Permanent(err))
		}
		rows[i] = row
	}
	if len(rows) == 0 {
		return nil
	}
	err := s.d.Transaction(ctx, func(ctx context.Context) error {
		if err := s.inTurn(ctx); err != nil {
			return err
		}
		for len(rows) > 0 {
			n := min(appendRows, len(rows))
			var args []any
			for _, row := range rows[:n] {
				args = append(args, row...)
			}
			rows = rows[n:]
			values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?), ", n), ", ")
			query := "INSERT INTO fxpond_events (" + eventColumns + ") VALUES " + values + s.d.dialect.SkipTaken("identity")
			if _, err := s.d.SQL(ctx).ExecContext(ctx, s.d.dialect.Rebind(query), args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("repository: storing %d events: %w", len(all), s.d.closedOr(s.d.classify(err)))
	}
	return nil
}

// inTurn sees to ids following commits where the database's own do not.
func (s *Store) inTurn(ctx context.Context) error {
	if !s.d.dialect.EventLog.Serial {
		return nil
	}
	return s.d.lock(ctx, "events")
}

func eventRow(e events.Any, now time.Time) ([]any, error) {
	if err := events.CheckName(e.Name); err != nil {
		return nil, err
	}
	if e.ID == "" {
		return nil, fmt.Errorf("it has no ID")
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, err
	}
	metadata, err := json.Marshal(e.Metadata)
	if err != nil {
		return nil, err
	}
	identity := e.ID
	if e.Source != "" {
		identity = e.Source + " " + e.ID
	}
	return []any{identity, e.ID, e.Name, e.Source, e.Timestamp.UnixNano(), string(metadata), data, now.UnixMilli()}, nil
}

// position is where a reader is: it has seen what is visible in Since, and of what became visible by
// Until it has seen up to (Tx, ID).
type position struct {
	Since string `json:"s"`
	Until string `json:"u"`
	Tx    string `json:"t"`
	ID    int64  `json:"i"`
}

func (p position) cursor() events.Cursor {
	text, _ := json.Marshal(p) // strings and a number
	return events.Cursor(base64.RawURLEncoding.EncodeToString(text))
}

func (s *Store) position(c events.Cursor) (p position, err error) {
	log := s.d.dialect.EventLog
	if c == "" {
		return position{Since: log.Begin, Until: log.Begin, Tx: "0"}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && (!log.Valid(p.Since) || !log.Valid(p.Until) || strings.Trim(p.Tx, "0123456789") != "" || p.Tx == "") {
		err = fmt.Errorf("its parts are of another kind of database")
	}
	if err != nil {
		return p, fmt.Errorf("cursor is not of this store: %w", err)
	}
	return p, nil
}

// Read implements events.Store. It reads page by page and holds neither a transaction nor a connection
// while the loop's body runs.
func (s *Store) Read(ctx context.Context, q events.Query) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		fail := func(err error) {
			yield(events.Recorded{}, fmt.Errorf("repository: reading events: %w", s.d.closedOr(err)))
		}
		if q.Pattern != "" {
			if err := events.CheckPattern(q.Pattern); err != nil {
				fail(err)
				return
			}
		}
		at, err := s.position(q.After)
		if err != nil {
			fail(err)
			return
		}
		read, fresh := 0, false
		for {
			if err := ctx.Err(); err != nil {
				fail(context.Cause(ctx))
				return
			}
			page, err := s.page(ctx, q, &at)
			if err != nil {
				fail(err)
				return
			}
			for _, r := range page {
				if q.Pattern != "" && !events.Match(q.Pattern, r.Event.Name) {
					continue
				}
				if !yield(r, nil) {
					return
				}
				if read++; read == q.Limit {
					return
				}
			}
			if len(page) == readRows {
				continue
			}
			if fresh {
				return
			}
			// What was visible when the cursor was made is read; on to what is visible now.
			fresh = true
			var now string
			if err := s.d.SQL(ctx).QueryRowContext(ctx, s.d.dialect.EventLog.Snapshot).Scan(&now); err != nil {
				fail(err)
				return
			}
			at = position{Since: at.Until, Until: now, Tx: "0"}
		}
	}
}

// page reads on from a position and moves it.
func (s *Store) page(ctx context.Context, q events.Query, at *position) ([]events.Recorded, error) {
	where, args := s.d.dialect.EventLog.Window(at.Since, at.Until, at.Tx, at.ID)
	add := func(cond string, arg any) { where, args = where+" AND "+cond, append(args, arg) }
	if q.ID != "" {
		add("event_id = ?", q.ID)
	}
	if q.Pattern != "" && !strings.Contains(q.Pattern, "*") {
		add("name = ?", q.Pattern)
	}
	if !q.From.IsZero() {
		add("happened_at >= ?", q.From.UnixNano())
	}
	if !q.To.IsZero() {
		add("happened_at < ?", q.To.UnixNano())
	}
	query := "SELECT CONCAT(tx_id, ''), id, " + eventColumns + " FROM fxpond_events WHERE " + where +
		fmt.Sprintf(" ORDER BY fxpond_events.tx_id, fxpond_events.id LIMIT %d", readRows)
	return s.rows(ctx, at, s.d.dialect.Rebind(query), args...)
}

func (s *Store) rows(ctx context.Context, at *position, query string, args ...any) ([]events.Recorded, error) {
	rows, err := s.d.SQL(ctx).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	var page []events.Recorded
	for rows.Next() {
		r, err := recorded(rows, at)
		if err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}

func recorded(rows *sql.Rows, at *position) (events.Recorded, error) {
	var identity, metadata string
	var happened, written int64
	var data []byte
	var r events.Recorded
	e := &r.Event
	if err := rows.Scan(&at.Tx, &at.ID, &identity, &e.ID, &e.Name, &e.Source, &happened, &metadata, &data, &written); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(metadata), &e.Metadata); err != nil {
		return r, fmt.Errorf("metadata of event %d: %w", at.ID, err)
	}
	e.Timestamp = time.Unix(0, happened).UTC()
	e.Data = events.NewPayload(data)
	r.At = time.UnixMilli(written).UTC()
	r.Cursor = at.cursor()
	return r, nil
}
