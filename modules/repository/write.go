package repository

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

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
		tx := r.d.Gorm(ctx).Model(row).Select("*").Omit(r.model.fixed...)
		if !r.restricted(ctx, row) {
			tx = r.keyed.where(tx, []ID{id})
		}
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

// restricted tells whether gorm restricts an update of row to its key. It leaves out parts that are zero,
// and reads the key after hooks, which may have changed it.
func (r *Repository[T, ID]) restricted(ctx context.Context, row *T) bool {
	if s := r.model.schema; r.hears() || s.BeforeSave || s.BeforeUpdate {
		return false
	}
	value := reflect.ValueOf(row).Elem()
	for _, f := range r.keyed.key.fields {
		if _, zero := f.ValueOf(ctx, value); zero {
			return false
		}
	}
	return true
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
