package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DDL commits at once, so no transaction holds a migration together. Instead each of its statements is a
// step that is noted: a start that comes after a crash goes on where the last one ended.
const stepsTable = `CREATE TABLE IF NOT EXISTS fxpond_steps (
	migration VARBINARY(255) NOT NULL PRIMARY KEY,
	begun     INT NOT NULL,        -- steps that may have run
	done      INT NOT NULL,        -- steps that have run
	ran       VARBINARY(64) NOT NULL -- SHA-256 of the text of those
) ENGINE = InnoDB`

// script runs a migration's statements one by one. tx pins the connection, which holds the migrations' lock.
//
// A statement that changes rows commits together with its note. DDL commits before its note; if a crash
// came in between, it runs again, and fails because what it makes is there: then it is done.
func script(ctx context.Context, tx *sql.Tx, name, text string) error {
	all, err := split(text)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, stepsTable); err != nil {
		return err
	}
	var begun, done int
	var ran string
	err = tx.QueryRowContext(ctx, "SELECT begun, done, ran FROM fxpond_steps WHERE migration = ?", name).Scan(&begun, &done, &ran)
	if errors.Is(err, sql.ErrNoRows) {
		ran = digest(nil)
		_, err = tx.ExecContext(ctx, "INSERT INTO fxpond_steps (migration, begun, done, ran) VALUES (?, 0, 0, ?)", name, ran)
	}
	if err != nil {
		return err
	}
	if done > len(all) || digest(all[:done]) != ran {
		return fmt.Errorf("its first %d statements ran in an earlier start and were changed since: put them back, "+
			"or undo by hand what they did and delete the row %q of fxpond_steps", done, name)
	}
	for i := done; i < len(all); i++ {
		s := step{name: name, number: i + 1, text: all[i], digest: digest(all[:i+1]), doubtful: begun > i}
		if err := s.run(ctx, tx); err != nil {
			return fmt.Errorf("statement %d: %w", s.number, err)
		}
	}
	return nil
}

type step struct {
	name     string
	number   int // from 1
	text     string
	digest   string
	doubtful bool // an earlier start began it, and did not note how it ended
}

func (s step) run(ctx context.Context, tx *sql.Tx) error {
	if !s.doubtful {
		if _, err := tx.ExecContext(ctx, noteBegun, s.number, s.name); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, s.text)
	if err != nil && (!s.doubtful || !there(err, s.text)) {
		if _, undo := tx.ExecContext(ctx, "ROLLBACK"); undo != nil {
			return errors.Join(err, undo) // the connection is gone: the next start looks
		}
		_, undo := tx.ExecContext(ctx, noteBegun, s.number-1, s.name)
		return errors.Join(err, undo)
	}
	if _, err := tx.ExecContext(ctx, noteDone, s.number, s.number, s.digest, s.name); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "COMMIT")
	return err
}

const (
	noteBegun = "UPDATE fxpond_steps SET begun = ? WHERE migration = ?"
	noteDone  = "UPDATE fxpond_steps SET begun = ?, done = ?, ran = ? WHERE migration = ?"
)

// there tells whether an error says that what a statement does was done.
func there(err error, text string) bool {
	n := number(err)
	verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(text)), " ")
	switch verb {
	case "CREATE", "ALTER", "DROP", "RENAME":
	default:
		return false
	}
	if slices.Contains(present, n) {
		return true
	}
	return strings.Contains(strings.ToUpper(text), "RENAME") && slices.Contains(renamed, n)
}

var (
	present = []uint16{
		1007, // database exists
		1008, // no database to drop
		1050, // table or view exists
		1051, // no table to drop
		1060, // column exists
		1061, // index exists
		1068, // primary key exists
		1091, // no column or index to drop
		1304, // routine exists
		1305, // no routine to drop
		1359, // trigger exists
		1360, // no trigger to drop
		1537, // event exists
		1826, // foreign key exists
		3822, // check exists
		3940, // no constraint to drop
		4092, // no view to drop
	}
	renamed = []uint16{
		1054, // no such column
		1146, // no such table
		1176, // no such index
	}
)

func digest(statements []string) string {
	sum := sha256.Sum256([]byte(strings.Join(statements, "\x00")))
	return hex.EncodeToString(sum[:])
}
