package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// ErrSchema is in the error of a start that must not touch the database: it is newer than this program,
// or behind while migrating is left to others.
var ErrSchema = errors.New("repository: schema does not fit this program")

const schemaTable = `CREATE TABLE IF NOT EXISTS fxpond_schema (
	owner VARCHAR(64) NOT NULL, version INTEGER NOT NULL, name VARCHAR(255) NOT NULL, applied_at BIGINT NOT NULL,
	PRIMARY KEY (owner, version))`

// migrations is one series of files.
type migrations struct {
	owner string
	files []migration
}

type migration struct {
	version int
	name    string
	text    string
}

// Migrate brings fxpond's tables and Config.Migrations up to date: in one transaction, under a lock, so
// that many processes may start at once. MySQL commits each change of a table at once: there a run that
// failed or was killed is taken up at the statement where it ended. Start calls it unless Config.Migrate
// says otherwise.
func (d *DB) Migrate(ctx context.Context) error {
	series, err := d.allMigrations()
	if err != nil {
		return err
	}
	err = d.Transaction(ctx, func(ctx context.Context) error {
		if err := d.lock(ctx, "migrate"); err != nil {
			return err
		}
		if _, err := d.SQL(ctx).ExecContext(ctx, schemaTable); err != nil {
			return err
		}
		for _, s := range series {
			if err := d.apply(ctx, s); err != nil {
				return err
			}
		}
		if len(d.cfg.AutoMigrate) > 0 {
			return d.Gorm(ctx).AutoMigrate(d.cfg.AutoMigrate...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("repository: migrating: %w", err)
	}
	return nil
}

// lock holds a named lock until the transaction ends.
func (d *DB) lock(ctx context.Context, name string) error {
	if d.dialect.Lock == nil {
		return nil
	}
	return d.dialect.Lock(ctx, d.SQL(ctx), name)
}

func (d *DB) apply(ctx context.Context, s migrations) error {
	applied, err := d.version(ctx, s.owner)
	if err != nil {
		return err
	}
	if latest := s.latest(); applied > latest {
		return fmt.Errorf("%w: migrations of %s are at %d in the database, at %d in this program", ErrSchema, s.owner, applied, latest)
	}
	for _, m := range s.files {
		if m.version <= applied {
			continue
		}
		if err := d.dialect.Script(ctx, d.current(ctx).tx, fmt.Sprintf("%s.%d", s.owner, m.version), m.text); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		_, err := d.SQL(ctx).ExecContext(ctx, d.dialect.Rebind("INSERT INTO fxpond_schema (owner, version, name, applied_at) VALUES (?, ?, ?, ?)"),
			s.owner, m.version, m.name, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		d.log.Info("migrated", zap.String("owner", s.owner), zap.String("migration", m.name))
	}
	return nil
}

// checkMigrated is MigrateCheck.
func (d *DB) checkMigrated(ctx context.Context) error {
	series, err := d.allMigrations()
	if err != nil {
		return err
	}
	for _, s := range series {
		switch applied, err := d.version(ctx, s.owner); {
		case err != nil:
			return fmt.Errorf("%w: reading what was migrated: %w", ErrSchema, err)
		case applied != s.latest():
			return fmt.Errorf("%w: migrations of %s are at %d in the database, at %d in this program; run DB.Migrate", ErrSchema, s.owner, applied, s.latest())
		}
	}
	return nil
}

func (d *DB) version(ctx context.Context, owner string) (v int, err error) {
	err = d.SQL(ctx).QueryRowContext(ctx, d.dialect.Rebind("SELECT COALESCE(MAX(version), 0) FROM fxpond_schema WHERE owner = ?"), owner).Scan(&v)
	return v, err
}

func (d *DB) allMigrations() ([]migrations, error) {
	own, err := readMigrations("fxpond", d.dialect.Migrations)
	if err != nil {
		return nil, err
	}
	app, err := readMigrations("app", d.cfg.Migrations)
	if err != nil {
		return nil, err
	}
	return []migrations{own, app}, nil
}

// readMigrations takes the files named like 0001_users.sql, by number.
func readMigrations(owner string, files fs.FS) (migrations, error) {
	s := migrations{owner: owner}
	if files == nil {
		return s, nil
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return s, fmt.Errorf("repository: listing migrations of %s: %w", owner, err)
	}
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version < 1 {
			return s, fmt.Errorf("repository: migration %q of %s: a name starts with its number and an underscore, like 0001_users.sql", name, owner)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return s, fmt.Errorf("repository: reading migration %q of %s: %w", name, owner, err)
		}
		s.files = append(s.files, migration{version, name, string(text)})
	}
	slices.SortFunc(s.files, func(a, b migration) int { return a.version - b.version })
	for i, m := range s.files {
		if i > 0 && s.files[i-1].version == m.version {
			return s, fmt.Errorf("repository: migrations %q and %q of %s share a number", s.files[i-1].name, m.name, owner)
		}
	}
	return s, nil
}

func (s migrations) latest() int {
	if len(s.files) == 0 {
		return 0
	}
	return s.files[len(s.files)-1].version
}
