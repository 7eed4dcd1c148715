package repository

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// What writing rows takes on MySQL, which returns nothing of what it wrote but the first generated key, and
// which lets an upsert meet any unique key.

// batches cuts rows into those of one INSERT. MySQL tells the first key that it generated, and the next
// follow only if no row between has a key of its own.
func (r *Repository[T, ID]) batches(rows []*T, size int) (list [][]*T) {
	key := r.model.schema.PrioritizedPrimaryField
	mixed := r.d.dialect.MySQL && key != nil && key.AutoIncrement
	generated := func(row *T) (zero bool) {
		if mixed {
			_, zero = key.ValueOf(context.Background(), reflect.ValueOf(row).Elem())
		}
		return zero
	}
	for len(rows) > 0 {
		n, first := 1, generated(rows[0])
		for n < min(size, len(rows)) && generated(rows[n]) == first {
			n++
		}
		list = append(list, rows[:n:n])
		rows = rows[n:]
	}
	return list
}

// readsBack tells whether there are defaults that only the database knows and does not return.
func (r *Repository[T, ID]) readsBack() bool {
	return r.d.dialect.MySQL && slices.ContainsFunc(r.model.schema.FieldsWithDefaultDBValue, notGenerated)
}

func notGenerated(f *schema.Field) bool { return !f.AutoIncrement }

// readBack fills in the defaults that the database made.
func (r *Repository[T, ID]) readBack(ctx context.Context, rows []*T) error {
	if !r.readsBack() {
		return nil
	}
	byID := map[ID]reflect.Value{}
	for _, row := range rows {
		v := reflect.ValueOf(row).Elem()
		for _, f := range r.model.schema.FieldsWithDefaultDBValue {
			_, zero := f.ValueOf(ctx, v)
			if zero && f.PrimaryKey {
				return fmt.Errorf("%w: the database makes %s, which MySQL does not tell: make it in Go", ErrKey, f.Name)
			}
			if zero {
				byID[r.keyed.key.of(ctx, v)] = v
			}
		}
	}
	ids := make([]ID, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	written, err := r.keyed.find(ctx, ids)
	if err != nil {
		return err
	}
	for i := range written {
		from := reflect.ValueOf(&written[i]).Elem()
		to, found := byID[r.keyed.key.of(ctx, from)]
		if !found {
			continue
		}
		for _, f := range r.model.schema.FieldsWithDefaultDBValue {
			if !f.PrimaryKey {
				f.ReflectValueOf(ctx, to).Set(f.ReflectValueOf(ctx, from))
			}
		}
	}
	return nil
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
