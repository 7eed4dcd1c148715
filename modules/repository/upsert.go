package repository

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Conflict says what Upsert does about a row that is there.
type Conflict struct {
	// Columns are those of the unique key that tells a row is there. Default: the primary key.
	Columns []string
	// Update are the columns to take from the new row. Default: all but the key and the time of creation.
	Update []string
	// Nothing leaves the row as it is.
	Nothing bool
}

// Upsert inserts rows, and changes those that are there, in batches, all or none. Which one happened is
// not told, so hooks and model events see Saved. After a conflict a generated key in rows is not
// meaningful on every dialect: find the row by its unique columns. A row whose key is free but which has
// another unique key that is taken is an ErrDuplicate.
func (r *Repository[T, ID]) Upsert(ctx context.Context, rows []*T, on Conflict) error {
	c, err := r.model.onConflict(on)
	if err != nil {
		return fmt.Errorf("repository: upserting %s: %w", r.model.schema.Table, err)
	}
	if r.d.dialect.MySQL {
		c = r.model.guard(c)
	}
	return r.insert(ctx, "upserting", Saved, rows, c)
}

func (m *model[T]) onConflict(on Conflict) (clause.OnConflict, error) {
	c := clause.OnConflict{DoNothing: on.Nothing}
	for _, f := range m.keys {
		if len(on.Columns) == 0 {
			c.Columns = append(c.Columns, clause.Column{Name: f.DBName})
		}
	}
	for _, name := range on.Columns {
		f, err := m.column(name)
		if err != nil {
			return c, err
		}
		c.Columns = append(c.Columns, clause.Column{Name: f.DBName})
	}
	if on.Nothing {
		return c, nil
	}
	var update []string
	for _, name := range on.Update {
		f, err := m.column(name)
		if err != nil {
			return c, err
		}
		update = append(update, f.DBName)
	}
	if len(on.Update) == 0 {
		for _, name := range m.schema.DBNames {
			if f := m.schema.FieldsByDBName[name]; !f.PrimaryKey && f.AutoCreateTime == 0 && f.Updatable && f != m.version {
				update = append(update, name)
			}
		}
	}
	c.DoUpdates = clause.AssignmentColumns(update)
	if m.version != nil {
		c.DoUpdates = append(c.DoUpdates, clause.Assignment{Column: clause.Column{Name: m.version.DBName}, Value: gorm.Expr("? + 1", column(m.version))})
	}
	return c, nil
}

// guard makes an upsert fail when the row that is there has another key in common with the new one than the
// conflict names: MySQL would change that row. Nothing in its SQL raises an error but what cannot be
// computed.
func (m *model[T]) guard(c clause.OnConflict) clause.OnConflict {
	var same []string
	var vars []any
	for _, col := range c.Columns {
		same = append(same, "? = VALUES(?)")
		vars = append(vars, column(m.schema.FieldsByDBName[col.Name]), col)
	}
	key := column(m.keys[0])
	c.DoUpdates = append(clause.Set{{
		Column: clause.Column{Name: key.Name},
		Value: clause.Expr{
			SQL:                "IF(" + strings.Join(same, " AND ") + ", ?, (SELECT 1 UNION ALL SELECT 2))",
			Vars:               append(vars, key),
			WithoutParentheses: true,
		},
	}}, c.DoUpdates...)
	return c
}

// otherKey says what the guard means.
func (r *Repository[T, ID]) otherKey(err error) error {
	if r.d.dialect.MySQL && r.d.dialect.Classify(err) == FaultOtherKey {
		return fmt.Errorf("%w: one that the conflict does not name: %w", ErrDuplicate, err)
	}
	return err
}

// FirstOrCreate inserts row unless one with the same values in columns, which must be a unique key, is
// there; that one is then read into row. Two at once cannot create two.
func (r *Repository[T, ID]) FirstOrCreate(ctx context.Context, row *T, columns ...string) (created bool, err error) {
	if row == nil {
		return false, fmt.Errorf("repository: creating %s: row is nil", r.model.schema.Table)
	}
	on, err := r.model.onConflict(Conflict{Columns: columns, Nothing: true})
	if err != nil {
		return false, fmt.Errorf("repository: creating %s: %w", r.model.schema.Table, err)
	}
	err = r.change(ctx, "creating", true, func(ctx context.Context) error {
		if err := r.beforeSave(ctx, row); err != nil {
			return err
		}
		tx := r.d.Gorm(ctx).Omit(clause.Associations)
		if !r.d.dialect.MySQL {
			tx = tx.Clauses(on)
		}
		result := tx.Create(row)
		taken := r.d.dialect.MySQL && r.d.isDuplicate(result.Error)
		if result.Error != nil && !taken {
			return result.Error
		}
		if created = result.RowsAffected > 0; created {
			if err := r.readBack(ctx, []*T{row}); err != nil {
				return err
			}
			return r.after(ctx, Created, row)
		}
		same := r.Where()
		for _, c := range on.Columns {
			f := r.model.schema.FieldsByDBName[c.Name]
			same = same.Where(Eq(c.Name, f.ReflectValueOf(ctx, reflect.ValueOf(row).Elem()).Interface()))
		}
		found, err := same.WithTrashed().First(ctx)
		if taken && errors.Is(err, ErrNotFound) {
			return result.Error // it was another key that is taken
		}
		if err == nil {
			*row = found
		}
		return err
	})
	return created && err == nil, err
}
