package jobstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
)

// batches is a jobs.BatchStore.
type batches struct {
	db *database

	create, find, lock, update, callBack string
	item, addItem, updateItem            string
	old, remove, removeItems             string
}

const batchColumns = "id, name, total, done, failed, skipped, cancelled, created_at, finished_at, callbacks"

func newBatches(db *database) *batches {
	const find = "SELECT " + batchColumns + " FROM fxpond_job_batches WHERE id = ?"
	bind := db.dialect.Rebind
	b := &batches{
		db:     db,
		create: bind("INSERT INTO fxpond_job_batches (" + batchColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" + db.dialect.SkipTaken("id")),
		find:   bind(find),
		lock:   bind(find + db.forUpdate()),
		update: bind(`UPDATE fxpond_job_batches SET name = ?, total = ?, done = ?, failed = ?, skipped = ?, cancelled = ?,
			created_at = ?, finished_at = ? WHERE id = ?`),
		callBack:    bind("UPDATE fxpond_job_batches SET callbacks = ? WHERE id = ?"),
		item:        bind("SELECT state FROM fxpond_job_items WHERE batch = ? AND item = ?"),
		addItem:     bind("INSERT INTO fxpond_job_items (state, batch, item) VALUES (?, ?, ?)"),
		updateItem:  bind("UPDATE fxpond_job_items SET state = ? WHERE batch = ? AND item = ?"),
		old:         bind("SELECT id FROM fxpond_job_batches WHERE finished_at > 0 AND finished_at < ? ORDER BY finished_at LIMIT ?"),
		remove:      bind("DELETE FROM fxpond_job_batches WHERE id = ? AND finished_at > 0 AND finished_at < ?"),
		removeItems: bind("DELETE FROM fxpond_job_items WHERE batch = ?"),
	}
	if db.dialect.MySQL {
		b.item += db.forUpdate() // a repeatable read would not see what was committed before the batch was locked
		// Short tables would be scanned, which waits for the items of batches whose transactions are still open.
		b.removeItems = "DELETE i FROM fxpond_job_items AS i FORCE INDEX (PRIMARY) WHERE i.batch = ?"
	}
	return b
}

// callbacks are kept as JSON.
type callbacks struct {
	Then    *jobs.Callback `json:"then,omitempty"`
	Catch   *jobs.Callback `json:"catch,omitempty"`
	Finally *jobs.Callback `json:"finally,omitempty"`
}

func encodeCallbacks(b *jobs.BatchState) ([]byte, error) {
	return json.Marshal(callbacks{b.Then, b.Catch, b.Finally})
}

// Create implements jobs.BatchStore.
func (s *batches) Create(ctx context.Context, b jobs.BatchState) error {
	calls, err := encodeCallbacks(&b)
	if err == nil {
		_, err = s.db.exec(ctx, s.create, b.ID, readable(b.Name), b.Total, b.Done, b.Failed, b.Skipped, b.Cancelled,
			nanos(b.CreatedAt), nanos(b.FinishedAt), calls)
	}
	if err != nil {
		return fmt.Errorf("jobstore: keeping batch %s: %w", b.ID, err)
	}
	return nil
}

// Find implements jobs.BatchStore.
func (s *batches) Find(ctx context.Context, id string) (jobs.BatchState, error) {
	b, _, err := s.read(ctx, s.find, id)
	return b, fail("reading", id, s.db.Classify(err))
}

func fail(doing, id string, err error) error {
	if err == nil || errors.Is(err, jobs.ErrNotFound) {
		return err
	}
	return fmt.Errorf("jobstore: %s batch %s: %w", doing, id, err)
}

// read also returns the callbacks as they are kept.
func (s *batches) read(ctx context.Context, query, id string) (b jobs.BatchState, calls []byte, err error) {
	var created, finished int64
	err = s.db.SQL(ctx).QueryRowContext(ctx, query, id).Scan(&b.ID, &b.Name, &b.Total, &b.Done, &b.Failed, &b.Skipped, &b.Cancelled,
		&created, &finished, &calls)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return jobs.BatchState{}, nil, jobs.ErrNotFound
	case err != nil:
		return jobs.BatchState{}, nil, err
	}
	var c callbacks
	if err := json.Unmarshal(calls, &c); err != nil {
		return jobs.BatchState{}, nil, fmt.Errorf("its callbacks: %w", err)
	}
	b.CreatedAt, b.FinishedAt = fromNanos(created), fromNanos(finished)
	b.Then, b.Catch, b.Finally = c.Then, c.Catch, c.Finally
	return b, calls, nil
}

// Update implements jobs.BatchStore. It holds the batch until its transaction ends, which is the caller's if
// there is one.
func (s *batches) Update(ctx context.Context, id, item string, change func(*jobs.BatchState, *jobs.ItemState)) (b jobs.BatchState, err error) {
	err = s.db.transaction(ctx, func(ctx context.Context) error {
		var was []byte
		if b, was, err = s.read(ctx, s.lock, id); err != nil {
			return err
		}
		state, known, err := s.itemState(ctx, id, item)
		if err != nil {
			return err
		}
		before := state
		change(&b, &state)
		if err := s.write(ctx, id, &b, was); err != nil || item == "" || known && state == before {
			return err
		}
		set := s.addItem
		if known {
			set = s.updateItem
		}
		_, err = s.db.exec(ctx, set, string(state), id, item)
		return err
	})
	if err != nil {
		return jobs.BatchState{}, fail("changing", id, err)
	}
	return b, nil
}

func (s *batches) itemState(ctx context.Context, id, item string) (state jobs.ItemState, known bool, err error) {
	if item == "" {
		return "", false, nil
	}
	err = s.db.SQL(ctx).QueryRowContext(ctx, s.item, id, item).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return state, err == nil, err
}

// write leaves the callbacks alone if they are as they were: they can be long.
func (s *batches) write(ctx context.Context, id string, b *jobs.BatchState, was []byte) error {
	_, err := s.db.exec(ctx, s.update, readable(b.Name), b.Total, b.Done, b.Failed, b.Skipped, b.Cancelled,
		nanos(b.CreatedAt), nanos(b.FinishedAt), id)
	if err != nil {
		return err
	}
	calls, err := encodeCallbacks(b)
	if err != nil || bytes.Equal(calls, was) {
		return err
	}
	_, err = s.db.exec(ctx, s.callBack, calls, id)
	return err
}

// batchSweepSize is small because each batch takes its items along.
const batchSweepSize = 100

// sweep deletes batches that finished before a time, each with its items, and tells whether there may be more.
func (s *batches) sweep(ctx context.Context, before time.Time) (more bool, err error) {
	ids, err := s.db.keys(ctx, s.old, before.UnixNano(), batchSweepSize)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		err := s.db.transaction(ctx, func(ctx context.Context) error {
			n, err := s.db.exec(ctx, s.remove, id, before.UnixNano())
			if err != nil || n == 0 {
				return err
			}
			_, err = s.db.exec(ctx, s.removeItems, id)
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return len(ids) == batchSweepSize, nil
}
