package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSplitCutsWhereTheClientDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                             {},
		" ; ;; -- nothing\n# at all\n": {},
		"A; B":                         {"A", "B"},
		"A ';' \"b;\" `c;`; D":         {"A ';' \"b;\" `c;`", "D"},
		`A 'it''s; \'; \\'; B`:         {`A 'it''s; \'; \\'`, "B"},
		"A `\\`; B":                    {"A `\\`", "B"},
		"A -- x; y\n, b # z;\n; C":     {"A -- x; y\n, b # z;", "C"},
		"A --1; B":                     {"A --1", "B"},
		"A /* ; */ b; /* only; */; /*!50000 C */;":                          {"A /* ; */ b", "/*!50000 C */"},
		"delimiter //\nCREATE TRIGGER t BEGIN a; b; END//\nDELIMITER ;\nB;": {"CREATE TRIGGER t BEGIN a; b; END", "B"},
		"DELIMITER $$\nA; B$$":                                              {"A; B"},
		"delimiters; B":                                                     {"delimiters", "B"},
		"A /* ü; */ 'ö;'":                                                   {"A /* ü; */ 'ö;'"},
		"A;--":                                                              {"A"},
	} {
		got, err := split(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is cut to %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"A 'open", "A /* open", "A \"\\\"", "DELIMITER   \nA"} {
		if got, err := split(text); err == nil {
			t.Errorf("%q is cut to %q", text, got)
		}
	}
}

// migrate runs a text as package repository does.
func migrate(ctx context.Context, db *sql.DB, name, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(lock(ctx, tx, "migrate"), script(ctx, tx, name, text)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

const house = `
	CREATE TABLE rooms (id INT PRIMARY KEY, name VARCHAR(50));
	INSERT INTO rooms VALUES (1, 'hall'), (2, 'attic');
	ALTER TABLE rooms ADD COLUMN floor INT;
	UPDATE rooms SET floor = id;
	CREATE INDEX rooms_floor ON rooms (floor);
	INSERT INTO rooms VALUES (3, 'cellar', 0);
	ALTER TABLE rooms RENAME COLUMN name TO title;
	ALTER TABLE rooms DROP INDEX rooms_floor, ADD UNIQUE KEY rooms_title (title);
	RENAME TABLE rooms TO chambers;
	CREATE VIEW high AS SELECT id FROM chambers WHERE floor > 0;
	DROP VIEW high;
	DELIMITER //
	CREATE TRIGGER chambers_floor BEFORE INSERT ON chambers FOR EACH ROW BEGIN SET NEW.floor = NEW.floor + 1; SET NEW.floor = NEW.floor + 1; END//
	DELIMITER ;
	INSERT INTO chambers VALUES (4, 'roof', 5);`

// A process may be killed behind any statement, before it could note that.
func TestAKilledMigrationIsTakenUpWhereItEnded(t *testing.T) {
	t.Parallel()
	statements, err := split(house)
	must(t, err)
	for killed := range statements {
		t.Run(fmt.Sprint("behind statement ", killed+1), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			db := handle(t, server(t))
			// What a process does that dies there: the earlier statements with their notes; then this one,
			// which is kept only if it is DDL, without.
			must(t, migrate(ctx, db, "app.1", strings.Join(append([]string{"DELIMITER //\n"}, statements[:killed]...), "//\n")))
			execute(t, db, "UPDATE fxpond_steps SET begun = ?", killed+1)
			dead, err := db.BeginTx(ctx, nil)
			must(t, err)
			_, err = dead.ExecContext(ctx, statements[killed])
			must(t, err)
			must(t, dead.Rollback())

			must(t, migrate(ctx, db, "app.1", house))
			must(t, migrate(ctx, db, "app.1", house)) // and is not run again
			var all string
			must(t, db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(CONCAT(id, title, floor) ORDER BY id) FROM chambers").Scan(&all))
			if all != "1hall1,2attic2,3cellar0,4roof7" {
				t.Errorf("the migration left %s", all)
			}
		})
	}
}

func TestAFailedStatementIsTriedAgainAsItIsThen(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := handle(t, server(t))
	must(t, migrate(ctx, db, "app.1", "CREATE TABLE taken (id INT)"))
	// What is there for another reason than a crash is an error, each time.
	for range 2 {
		if err := migrate(ctx, db, "app.2", "CREATE TABLE a (id INT); CREATE TABLE taken (id INT)"); number(err) != 1050 || !strings.Contains(err.Error(), "statement 2") {
			t.Errorf("a table that is there: %v", err)
		}
	}
	if err := migrate(ctx, db, "app.2", "CREATE TABLE b (id INT); CREATE TABLE c (id INT)"); err == nil || !strings.Contains(err.Error(), "its first 1 statements ran") {
		t.Errorf("a statement that ran was changed: %v", err)
	}
	must(t, migrate(ctx, db, "app.2", "CREATE TABLE a (id INT); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)"))
	if err := migrate(ctx, db, "app.3", "INSERT INTO a VALUES (3); INSERT INTO a VALUES ('no number')"); err == nil {
		t.Error("text was taken for a number")
	}
	must(t, migrate(ctx, db, "app.3", "INSERT INTO a VALUES (3); INSERT INTO a VALUES (4)"))
	var sum int
	must(t, db.QueryRowContext(ctx, "SELECT SUM(id) FROM a").Scan(&sum))
	if sum != 10 {
		t.Errorf("rows add up to %d, want each once: 10", sum)
	}
}

// The migrations' lock belongs to a session: it must not stay with a connection that goes back to the pool.
func TestTheLockEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	cfg := server(t)
	first, second := handle(t, cfg), handle(t, cfg)
	for _, commit := range []bool{true, false} {
		tx, err := first.BeginTx(t.Context(), nil)
		must(t, err)
		must(t, lock(t.Context(), tx, "migrate"))
		var free sql.NullInt64
		must(t, second.QueryRowContext(t.Context(), "SELECT IS_FREE_LOCK("+lockName+")").Scan(&free))
		if free.Int64 != 0 {
			t.Error("nothing is locked")
		}
		if commit {
			must(t, tx.Commit())
		} else {
			must(t, tx.Rollback())
		}
		other, err := second.BeginTx(t.Context(), nil)
		must(t, err)
		must(t, lock(t.Context(), other, "migrate"))
		must(t, other.Rollback())
	}
}
