package repository

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
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
	batches := r.batches(rows)
	insert := func(ctx context.Context) error {
		if err := r.beforeSave(ctx, rows...); err != nil {
			return err
		}
		if r.hears() {
			batches = r.batches(rows) // a hook may have made keys
		}
		for _, batch := range batches {
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
	return r.change(ctx, doing, len(batches) > 1 || r.hears() || r.readsBack(), insert)
}

// batches cuts rows into those of one INSERT: of each of them the same columns are left to the database. Of
// mixed rows MySQL does not tell which key it gave to which, and SQLite takes no default.
func (r *Repository[T, ID]) batches(rows []*T) (list [][]*T) {
	size := max(1, min(maxRows, r.d.dialect.MaxBind/max(1, len(r.model.schema.DBNames))))
	for len(rows) > 0 {
		n := 1
		for n < min(size, len(rows)) && r.model.leavesSame(rows[0], rows[n]) {
			n++
		}
		list = append(list, rows[:n:n])
		rows = rows[n:]
	}
	return list
}

func (m *model[T]) leavesSame(a, b *T) bool {
	for _, f := range m.schema.FieldsWithDefaultDBValue {
		_, inA := f.ValueOf(context.Background(), reflect.ValueOf(a).Elem())
		_, inB := f.ValueOf(context.Background(), reflect.ValueOf(b).Elem())
		if inA != inB {
			return false
		}
	}
	return true
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
