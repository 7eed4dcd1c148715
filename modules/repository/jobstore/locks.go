package jobstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// locks is a jobs.Locks.
type locks struct {
	db *database

	reserve, take, release string
	expired, remove        string
}

func newLocks(db *database) *locks {
	now := db.clock
	l := &locks{
		db:      db,
		release: db.dialect.Rebind("DELETE FROM fxpond_job_locks WHERE name = ? AND owner = ?"),
		expired: db.dialect.Rebind("SELECT name FROM fxpond_job_locks WHERE expires_at <= " + now + " ORDER BY expires_at LIMIT ?"),
		remove:  db.dialect.Rebind("DELETE FROM fxpond_job_locks WHERE name = ? AND expires_at <= " + now),
	}
	if db.dialect.MySQL {
		// An upsert has no condition there: see to it that there is a row, and that nobody else has it.
		l.reserve = "INSERT INTO fxpond_job_locks (name, owner, expires_at) VALUES (?, '', 0)" + db.dialect.SkipTaken("name")
		l.take = "UPDATE fxpond_job_locks SET owner = ?, expires_at = " + now + " + ? WHERE name = ? AND (owner = ? OR expires_at <= " + now + ")"
		return l
	}
	// The clock is read again when it comes to the condition: by then another transaction may have ended.
	l.take = db.dialect.Rebind("INSERT INTO fxpond_job_locks AS l (name, owner, expires_at) VALUES (?, ?, " + now + " + ?)" +
		" ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = " + now + " + ?" +
		" WHERE l.owner = excluded.owner OR l.expires_at <= " + now)
	return l
}

// Lock implements jobs.Locks.
func (l *locks) Lock(ctx context.Context, key, owner string, ttl time.Duration) (mine bool, err error) {
	name := lockName(key)
	ms := int64((ttl + time.Millisecond - 1) / time.Millisecond)
	var n int64
	if l.reserve == "" {
		n, err = l.db.exec(ctx, l.take, name, owner, ms, ms)
	} else {
		err = l.db.transaction(ctx, func(ctx context.Context) error {
			if _, err := l.db.exec(ctx, l.reserve, name); err != nil {
				return err
			}
			n, err = l.db.exec(ctx, l.take, owner, ms, name, owner)
			return err
		})
	}
	if err != nil {
		return false, fmt.Errorf("jobstore: locking %q: %w", key, err)
	}
	return n > 0, nil
}

// Unlock implements jobs.Locks.
func (l *locks) Unlock(ctx context.Context, key, owner string) error {
	if _, err := l.db.exec(ctx, l.release, lockName(key), owner); err != nil {
		return fmt.Errorf("jobstore: unlocking %q: %w", key, err)
	}
	return nil
}

// lockName is the key, if that can be indexed as text everywhere.
func lockName(key string) string {
	if len(key) <= 255 && utf8.ValidString(key) && !strings.Contains(key, "\x00") && !strings.HasPrefix(key, hashed) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hashed + hex.EncodeToString(sum[:])
}

const hashed = "sha256:"

// sweepSize caps the rows of one transaction.
const sweepSize = 1000

// sweep deletes locks that have expired, and tells whether there may be more. It finds first and deletes then,
// by key: no database looks at, and waits for, more rows than that.
func (l *locks) sweep(ctx context.Context) (more bool, err error) {
	names, err := l.db.keys(ctx, l.expired, sweepSize)
	if err != nil || len(names) == 0 {
		return false, err
	}
	err = l.db.transaction(ctx, func(ctx context.Context) error {
		for _, name := range names {
			if _, err := l.db.exec(ctx, l.remove, name); err != nil {
				return err
			}
		}
		return nil
	})
	return len(names) == sweepSize, err
}
