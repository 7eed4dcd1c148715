package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// Query selects rows of a model. It is an immutable value: each method returns a new one, so a query
// may be kept, refined and shared between goroutines. A mistake in it, such as an unknown column, is the
// error of the method that runs it.
type Query[T any] struct {
	table[T]
	conds   []clause.Expression
	orders  []order
	limit   int
	offset  int
	with    []string
	trashed bool
	err     error
}

// Direction is the direction of an order.
type Direction bool

// The directions of OrderBy. NULLs come last in both.
const (
	Asc  Direction = false
	Desc Direction = true
)

type order struct {
	field *schema.Field
	desc  Direction
}

// Where adds conditions that all must be met.
func (q Query[T]) Where(conds ...Cond) Query[T] {
	for _, c := range conds {
		expr, err := q.model.build(c)
		if err != nil {
			q.err = errors.Join(q.err, err)
			continue
		}
		q.conds = append(slices.Clip(q.conds), expr)
	}
	return q
}

// constSQL cannot be named outside this package: of strings, only constants convert to it, so neither
// a variable nor a formatted string compiles as SQL.
type constSQL string

// WhereSQL adds a condition as SQL for what the conditions of this package cannot say. sql must be a
// constant; each ? in it is one bound value.
func (q Query[T]) WhereSQL(sql constSQL, args ...any) Query[T] {
	vars := make([]any, len(args))
	for i, arg := range args {
		vars[i] = bound{arg}
	}
	q.conds = append(slices.Clip(q.conds), clause.Expr{SQL: "(" + string(sql) + ")", Vars: vars, WithoutParentheses: true})
	return q
}

// OrderBy sorts by a column, after the orders already given.
func (q Query[T]) OrderBy(column string, d Direction) Query[T] {
	f, err := q.model.column(column)
	if err != nil {
		q.err = errors.Join(q.err, err)
		return q
	}
	q.orders = append(slices.Clip(q.orders), order{f, d})
	return q
}

// Limit caps the rows; 0 means all.
func (q Query[T]) Limit(n int) Query[T] { q.limit = n; return q }

// Offset leaves out the first n rows. CursorPaginate is cheaper for deep pages.
func (q Query[T]) Offset(n int) Query[T] { q.offset = n; return q }

// With loads relations of the model along, with one query each.
func (q Query[T]) With(relations ...string) Query[T] {
	for _, name := range relations {
		if _, found := q.model.schema.Relationships.Relations[name]; !found {
			q.err = errors.Join(q.err, fmt.Errorf("%w: %s has no relation %q", ErrColumn, q.model.schema.Table, name))
			return q
		}
	}
	q.with = append(slices.Clip(q.with), relations...)
	return q
}

// WithTrashed includes rows that were softly deleted.
func (q Query[T]) WithTrashed() Query[T] { q.trashed = true; return q }

// All returns the rows.
func (q Query[T]) All(ctx context.Context) ([]T, error) {
	tx, err := q.gorm(ctx)
	if err != nil {
		return nil, err
	}
	var rows []T
	err = q.sorted(tx).Find(&rows).Error
	return rows, q.wrap("reading", err)
}

// First returns the first row in the query's order, or by primary key. None is an ErrNotFound.
func (q Query[T]) First(ctx context.Context) (row T, err error) {
	if len(q.orders) == 0 {
		q.orders = q.byKey()
	}
	rows, err := q.Limit(1).All(ctx)
	switch {
	case err != nil:
		return row, err
	case len(rows) == 0:
		return row, &NotFoundError{Table: q.model.schema.Table, ID: "for the query"}
	}
	return rows[0], nil
}

// Count returns how many rows there are, Limit and Offset aside.
func (q Query[T]) Count(ctx context.Context) (n int64, err error) {
	tx, err := q.gorm(ctx)
	if err != nil {
		return 0, err
	}
	return n, q.wrap("counting", tx.Count(&n).Error)
}

// Exists tells whether there is such a row.
func (q Query[T]) Exists(ctx context.Context) (bool, error) {
	tx, err := q.gorm(ctx)
	if err != nil {
		return false, err
	}
	var found []int
	err = tx.Select("1").Limit(1).Find(&found).Error
	return len(found) > 0, q.wrap("looking for", err)
}

// Each yields the rows in the query's order, reading batch of them at a time, so that memory is constant
// and no transaction stays open. batch below 1 means 500. After an error it ends.
func (q Query[T]) Each(ctx context.Context, batch int) iter.Seq2[T, error] {
	if batch < 1 {
		batch = 500
	}
	left := q.limit
	return func(yield func(T, error) bool) {
		var after Cursor
		for {
			n := batch
			if q.limit > 0 {
				n = min(batch, left)
			}
			page, err := q.CursorPaginate(ctx, after, n)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, row := range page.Rows {
				if !yield(row, nil) {
					return
				}
			}
			left -= len(page.Rows)
			if after = page.Next; after == "" || (q.limit > 0 && left <= 0) {
				return
			}
		}
	}
}

// gorm begins the query, without order and limits.
func (q Query[T]) gorm(ctx context.Context) (*gorm.DB, error) {
	if q.err != nil {
		return nil, q.err
	}
	tx := q.d.Gorm(ctx).Model(new(T))
	if q.trashed {
		tx = tx.Unscoped()
	}
	for _, c := range q.conds {
		tx = tx.Where(c)
	}
	return tx, nil
}

// sorted adds order, limits and relations.
func (q Query[T]) sorted(tx *gorm.DB) *gorm.DB {
	if len(q.orders) > 0 {
		tx = tx.Order(clause.OrderBy{Expression: orderings(q.orders)})
	}
	if q.limit > 0 {
		tx = tx.Limit(q.limit)
	}
	if q.offset > 0 {
		if q.limit <= 0 {
			tx = tx.Limit(1<<31 - 1) // SQLite has no OFFSET without LIMIT
		}
		tx = tx.Offset(q.offset)
	}
	for _, relation := range q.with {
		tx = tx.Preload(relation)
	}
	return tx
}

func (q Query[T]) byKey() []order {
	orders := make([]order, len(q.model.keys))
	for i, f := range q.model.keys {
		orders[i] = order{field: f}
	}
	return orders
}

// orderings writes ORDER BY with NULLs last on every dialect; a column without NULLs is left to its index.
type orderings []order

// Build implements clause.Expression.
func (orders orderings) Build(b clause.Builder) {
	for i, o := range orders {
		if i > 0 {
			_ = b.WriteByte(',')
		}
		if o.nullable() {
			b.WriteQuoted(column(o.field))
			_, _ = b.WriteString(" IS NULL,")
		}
		b.WriteQuoted(column(o.field))
		if o.desc {
			_, _ = b.WriteString(" DESC")
		}
	}
}

func (o order) nullable() bool { return !o.field.NotNull && !o.field.PrimaryKey }

func (q Query[T]) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("repository: %s %s: %w", doing, q.model.schema.Table, q.d.closedOr(q.d.classify(err)))
}
