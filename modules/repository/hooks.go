package repository

import "context"

// Op is a kind of change.
type Op string

// The changes that hooks and model events hear of.
const (
	Created Op = "created"
	Updated Op = "updated"
	Saved   Op = "saved" // Upsert: created or updated, the database does not tell which
	Deleted Op = "deleted"
)

// Hooks are called around the changes that a repository makes row by row, in the transaction of the
// change, with its context: an error rolls the change back. What shall happen only if the change lasts
// belongs into DB.AfterCommit. Query.Delete calls no hooks. gorm's own model hooks run as well.
type Hooks[T any] struct {
	// BeforeSave may check and change a row before Create, Update, Upsert and FirstOrCreate write it.
	BeforeSave func(ctx context.Context, row *T) error
	// AfterCreate, AfterUpdate, AfterSave and AfterDelete see the row as it was written or deleted.
	AfterCreate func(ctx context.Context, row *T) error
	AfterUpdate func(ctx context.Context, row *T) error
	AfterSave   func(ctx context.Context, row *T) error
	AfterDelete func(ctx context.Context, row *T) error
}

// WithHooks adds hooks to a repository, after those it has.
func WithHooks[T any](h Hooks[T]) ModelOption[T] {
	return func(o *options[T]) {
		if h.BeforeSave != nil {
			o.before = append(o.before, h.BeforeSave)
		}
		for op, hook := range map[Op]func(context.Context, *T) error{
			Created: h.AfterCreate, Updated: h.AfterUpdate, Saved: h.AfterSave, Deleted: h.AfterDelete,
		} {
			if hook != nil {
				o.after = append(o.after, func(ctx context.Context, done Op, row *T) error {
					if done != op {
						return nil
					}
					return hook(ctx, row)
				})
			}
		}
	}
}

// hears tells whether changes must carry a transaction for what comes with them.
func (r *Repository[T, ID]) hears() bool { return len(r.opts.before)+len(r.opts.after) > 0 }

func (r *Repository[T, ID]) beforeSave(ctx context.Context, rows ...*T) error {
	for _, hook := range r.opts.before {
		for _, row := range rows {
			if err := hook(ctx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repository[T, ID]) after(ctx context.Context, op Op, rows ...*T) error {
	for _, hook := range r.opts.after {
		for _, row := range rows {
			if err := hook(ctx, op, row); err != nil {
				return err
			}
		}
	}
	return nil
}
