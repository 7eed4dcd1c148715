package repository

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gorm.io/gorm"
)

// Repository reads and writes the rows of a model T by an ID of its primary key's type. It returns
// values, not pointers: there is no nil, and no two callers share a row. All its methods may be called
// concurrently; given the context of a transaction they are part of it. Make it with New.
type Repository[T any, ID comparable] struct {
	table[T]
	keyed *keyed[T, ID]
	finds *loader[T, ID]
	opts  options[T]
}

// table is what queries need of a repository.
type table[T any] struct {
	d     *DB
	model *model[T]
}

// ModelOption changes the repository of a model.
type ModelOption[T any] func(*options[T])

type options[T any] struct {
	before    []func(ctx context.Context, row *T) error
	after     []func(ctx context.Context, op Op, row *T) error
	partition func(ctx context.Context) string
	coalesced bool
	callbacks bool
}

// WithPartition keeps coalesced finds apart whose contexts belong to different partitions, for example
// tenants whose rows a session setting guards. Default: all finds may share a query.
func WithPartition[T any](of func(ctx context.Context) string) ModelOption[T] {
	return func(o *options[T]) { o.partition = of }
}

// WithCoalescedFind makes Find share queries as FindAsync does. Default: Find sends its own.
func WithCoalescedFind[T any]() ModelOption[T] {
	return func(o *options[T]) { o.coalesced = true }
}

// WithQueryCallbacks sends finds by key through gorm's query callbacks, for applications that registered
// some. Default: only models with an AfterFind hook or a serializer need gorm to read them.
func WithQueryCallbacks[T any]() ModelOption[T] {
	return func(o *options[T]) { o.callbacks = true }
}

// New makes the repository of model T. ID is the type of the primary key's field; for a composite key a
// struct whose fields have the names and types of the key's. Anything else is an ErrKey that says what
// would fit. It does not touch the database.
func New[T any, ID comparable](d *DB, opts ...ModelOption[T]) (*Repository[T, ID], error) {
	m, err := newModel[T](d)
	if err != nil {
		return nil, err
	}
	k, err := newKey[T, ID](m)
	if err != nil {
		return nil, err
	}
	r := &Repository[T, ID]{table: table[T]{d, m}}
	for _, opt := range opts {
		opt(&r.opts)
	}
	r.keyed = newKeyed(d, m, k, r.opts.callbacks)
	r.finds = newLoader(d, r.keyed, r.opts.partition)
	return r, nil
}

// DB returns the database the repository works on.
func (r *Repository[T, ID]) DB() *DB { return r.d }

// Gorm returns gorm's handle for the model's table, in the context's transaction if there is one.
func (r *Repository[T, ID]) Gorm(ctx context.Context) *gorm.DB { return r.d.Gorm(ctx).Model(new(T)) }

// Find returns the row with that id. A missing one is a *NotFoundError.
func (r *Repository[T, ID]) Find(ctx context.Context, id ID) (T, error) {
	if r.opts.coalesced && !r.d.InTx(ctx) {
		result := <-r.FindAsync(ctx, id)
		return result.Data, result.Error
	}
	return r.keyed.one(ctx, id)
}

// FindMany returns the rows of the ids, in their order, an id asked for twice twice. Missing ones are
// *NotFoundErrors joined into the error; their places hold the zero T, the others are filled.
func (r *Repository[T, ID]) FindMany(ctx context.Context, ids []ID) ([]T, error) {
	return r.keyed.many(ctx, ids)
}

// Exists tells whether there is a row with that id.
func (r *Repository[T, ID]) Exists(ctx context.Context, id ID) (bool, error) {
	return r.keyed.exists(ctx, id)
}

// All returns all rows, by primary key. Use Each for a table that may be large.
func (r *Repository[T, ID]) All(ctx context.Context) ([]T, error) {
	q := r.Where()
	q.orders = q.byKey()
	return q.All(ctx)
}

// Each yields all rows, by primary key, reading batch of them at a time, so that memory is constant and
// no transaction stays open. Rows written meanwhile may or may not be seen. After an error it ends.
func (r *Repository[T, ID]) Each(ctx context.Context, batch int) iter.Seq2[T, error] {
	return r.Where().Each(ctx, batch)
}

// Where begins a query of rows that meet all conditions.
func (r *Repository[T, ID]) Where(conds ...Cond) Query[T] {
	return Query[T]{table: r.table}.Where(conds...)
}

// one reads a single row.
func (q *keyed[T, ID]) one(ctx context.Context, id ID) (row T, err error) {
	rows, err := q.find(ctx, []ID{id})
	switch {
	case err != nil:
		return row, fmt.Errorf("repository: finding %s: %w", q.model.schema.Table, err)
	case len(rows) == 0:
		return row, q.notFound(id)
	}
	return rows[0], nil
}

// many reads rows in the order of ids.
func (q *keyed[T, ID]) many(ctx context.Context, ids []ID) ([]T, error) {
	unique, places := distinct(ids)
	rows, err := q.find(ctx, unique)
	if err != nil {
		return nil, fmt.Errorf("repository: finding %d %s: %w", len(ids), q.model.schema.Table, err)
	}
	at, stray := q.locate(ctx, places, rows)
	out := make([]T, len(ids))
	var errs []error
	for i, id := range ids {
		place, known := places[id] // NaN is not
		switch {
		case known && at[place] >= 0:
			out[i] = rows[at[place]]
		case stray:
			if out[i], err = q.one(ctx, id); err != nil {
				errs = append(errs, err)
			}
		default:
			errs = append(errs, q.notFound(id))
		}
	}
	return out, errors.Join(errs...)
}

// distinct returns each id once, in order, and its place there.
func distinct[ID comparable](ids []ID) (unique []ID, places map[ID]int) {
	places = make(map[ID]int, len(ids))
	unique = make([]ID, 0, len(ids))
	for _, id := range ids {
		if _, twice := places[id]; !twice {
			places[id] = len(unique)
			unique = append(unique, id)
		}
	}
	return unique, places
}
