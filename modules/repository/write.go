package repository

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// maxRows caps the rows of one INSERT; the limit of parameters may ask for fewer.
const maxRows = 1000

// Create inserts rows, in batches, all or none; keys, timestamps and defaults that the database makes
// are filled in. A taken key is an ErrDuplicate. Relations are not saved along.
func (r *Repository[T, ID]) Create(ctx context.Context, rows ...*T) error {
	return r.insert(ctx, "creating", Created, rows, nil)
}

func (r *Repository[T, ID]) insert(ctx context.Context, doing string, op Op, rows []*T, on clause.Expression) error {
	if len(rows) == 0 {
		return nil
	}
	if slices.Contains(rows, nil) {
		return fmt.Errorf("repository: %s %s: a row is nil", doing, r.model.schema.Table)
	}
	size := min(maxRows, r.d.dialect.MaxBind/max(1, len(r.model.schema.DBNames)))
	insert := func(ctx context.Context) error {
		if err := r.beforeSave(ctx, rows...); err != nil {
			return err
		}
		for _, batch := range r.batches(rows, max(1, size)) {
			tx := r.d.Gorm(ctx).Omit(clause.Associations)
			if on != nil {
				tx = tx.Clauses(on)
			}
			var err error
			if len(batch) == 1 { // gorm makes less ado about one row
				err = tx.Create(batch[0]).Error
			} else {
				err = tx.Create(batch).Error
			}
			if err == nil && on == nil {
				err = r.readBack(ctx, batch)
			}
			if err != nil {
				return r.otherKey(err)
			}
		}
		return r.after(ctx, op, rows...)
	}
	return r.change(ctx, doing, len(r.batches(rows, max(1, size))) > 1 || r.hears() || r.readsBack(), insert)
}

// change runs a write, in a transaction of its own if it takes more than one statement.
func (r *Repository[T, ID]) change(ctx context.Context, doing string, several bool, fn func(ctx context.Context) error) error {
	run := r.d.write
	if several && !r.d.InTx(ctx) {
		run = func(ctx context.Context, fn func(context.Context) error) error { return r.d.Transaction(ctx, fn) }
	}
	if err := run(ctx, fn); err != nil {
		return fmt.Errorf("repository: %s %s: %w", doing, r.model.schema.Table, r.d.closedOr(r.d.classify(err)))
	}
	return nil
}

// Update writes every column of a row but its key and its time of creation. No such row is an
// ErrNotFound. If the model has a Version column, the row must still be as it was read, or Update is an
// ErrConflict; it then counts the column up, in row too.
func (r *Repository[T, ID]) Update(ctx context.Context, row *T) error {
	if row == nil {
		return fmt.Errorf("repository: updating %s: row is nil", r.model.schema.Table)
	}
	id := r.keyed.key.of(ctx, reflect.ValueOf(row).Elem())
	return r.change(ctx, "updating", r.model.version != nil || r.hears(), func(ctx context.Context) error {
		if err := r.beforeSave(ctx, row); err != nil {
			return err
		}
		tx := r.keyed.where(r.d.Gorm(ctx).Model(row), []ID{id}).Select("*").Omit(r.model.fixed...)
		if r.model.version == nil {
			result := tx.Updates(row)
			if err := r.mustHit(ctx, id, result); err != nil {
				return err
			}
			return r.after(ctx, Updated, row)
		}
		version := r.model.version.ReflectValueOf(ctx, reflect.ValueOf(row).Elem())
		read := version.Int()
		version.SetInt(read + 1)
		result := tx.Where(clause.Eq{Column: column(r.model.version), Value: bound{read}}).Updates(row)
		err := r.mustHit(ctx, id, result)
		if err == nil {
			err = r.after(ctx, Updated, row)
		}
		if err != nil {
			version.SetInt(read)
		}
		return err
	})
}

// mustHit tells why no row was changed.
func (r *Repository[T, ID]) mustHit(ctx context.Context, id ID, result *gorm.DB) error {
	if result.Error != nil || result.RowsAffected > 0 {
		return result.Error
	}
	there, err := r.keyed.exists(ctx, id)
	switch {
	case err != nil:
		return err
	case there && r.model.version != nil:
		return fmt.Errorf("%w: %v", ErrConflict, id)
	case there:
		return nil // a database that does not count a row which is as it was
	}
	return r.keyed.notFound(id)
}

// Fields are columns to change, by their name in the database or in Go.
type Fields map[string]any

// UpdateFields changes some columns of a row, whatever its version, which it counts up. Names are looked
// up in the model; the key cannot be changed. No such row is an ErrNotFound.
func (r *Repository[T, ID]) UpdateFields(ctx context.Context, id ID, f Fields) error {
	set, err := r.model.assign(f)
	if err != nil {
		return fmt.Errorf("repository: updating %s: %w", r.model.schema.Table, err)
	}
	return r.change(ctx, "updating", r.hears(), func(ctx context.Context) error {
		result := r.keyed.where(r.d.Gorm(ctx).Model(new(T)), []ID{id}).Updates(set)
		if result.Error == nil && result.RowsAffected == 0 {
			if there, err := r.keyed.exists(ctx, id); err != nil || !there {
				return errors.Join(err, r.keyed.notFound(id))
			}
		}
		if result.Error != nil || !r.hears() {
			return result.Error
		}
		row, err := r.keyed.one(ctx, id)
		if err != nil {
			return err
		}
		return r.after(ctx, Updated, &row)
	})
}

// assign checks the names and binds the values.
func (m *model[T]) assign(fields Fields) (map[string]any, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("%w: no fields are given", ErrColumn)
	}
	set := make(map[string]any, len(fields)+1)
	for name, value := range fields {
		f, err := m.column(name)
		switch {
		case err != nil:
			return nil, err
		case f.PrimaryKey || f == m.version:
			return nil, fmt.Errorf("%w: %s cannot be set", ErrColumn, name)
		}
		set[f.DBName] = value
		if isExpression(value) {
			return nil, fmt.Errorf("%w: %s is set to a %T; use DB.Gorm for SQL expressions", ErrColumn, name, value)
		}
	}
	if m.version != nil {
		set[m.version.DBName] = gorm.Expr("? + 1", column(m.version))
	}
	return set, nil
}

func isExpression(v any) bool {
	switch v.(type) {
	case clause.Expression, clause.Column, clause.Table, gorm.Valuer, *gorm.DB:
		return true
	}
	return false
}

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
			return errors.Join(r.readBack(ctx, []*T{row}), r.after(ctx, Created, row))
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
