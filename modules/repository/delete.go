package repository

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Delete deletes the rows of the ids and tells how many there were: softly if the model has a
// gorm.DeletedAt column, else for good. All or none.
func (r *Repository[T, ID]) Delete(ctx context.Context, ids ...ID) (int64, error) {
	return r.delete(ctx, ids, func(tx *gorm.DB) *gorm.DB { return tx })
}

// ForceDelete deletes the rows of the ids for good, softly deleted ones too.
func (r *Repository[T, ID]) ForceDelete(ctx context.Context, ids ...ID) (int64, error) {
	return r.delete(ctx, ids, func(tx *gorm.DB) *gorm.DB { return tx.Unscoped() })
}

func (r *Repository[T, ID]) delete(ctx context.Context, ids []ID, scope func(*gorm.DB) *gorm.DB) (n int64, err error) {
	ids, _ = distinct(ids)
	if len(ids) == 0 {
		return 0, nil
	}
	several := len(ids) > r.keyed.limit() || r.hears()
	err = r.change(ctx, "deleting", several, func(ctx context.Context) error {
		n = 0
		for part := range slices.Chunk(ids, r.keyed.limit()) {
			var rows []*T
			if r.hears() {
				if err := r.keyed.where(scope(r.d.Gorm(ctx)), part).Find(&rows).Error; err != nil {
					return err
				}
			}
			result := r.keyed.where(scope(r.d.Gorm(ctx)), part).Delete(new(T))
			if result.Error != nil {
				return result.Error
			}
			n += result.RowsAffected
			if err := r.after(ctx, Deleted, rows...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Restore brings softly deleted rows back and tells how many there were.
func (r *Repository[T, ID]) Restore(ctx context.Context, ids ...ID) (n int64, err error) {
	if r.model.deleted == nil {
		return 0, fmt.Errorf("%w: %s has no gorm.DeletedAt column", ErrColumn, r.model.schema.Table)
	}
	ids, _ = distinct(ids)
	if len(ids) == 0 {
		return 0, nil
	}
	err = r.change(ctx, "restoring", len(ids) > r.keyed.limit(), func(ctx context.Context) error {
		n = 0
		for part := range slices.Chunk(ids, r.keyed.limit()) {
			trashed := r.keyed.where(r.d.Gorm(ctx).Model(new(T)).Unscoped(), part).Where(clause.Neq{Column: column(r.model.deleted)})
			result := trashed.Updates(map[string]any{r.model.deleted.DBName: nil})
			if result.Error != nil {
				return result.Error
			}
			n += result.RowsAffected
		}
		return nil
	})
	return n, err
}

// Delete deletes the rows of the query, softly if the model has a gorm.DeletedAt column, and tells how
// many. It runs no hooks. A query without conditions is refused, as are Limit, Offset and WithTrashed.
func (q Query[T]) Delete(ctx context.Context) (n int64, err error) {
	if q.err == nil && (len(q.conds) == 0 || q.limit > 0 || q.offset > 0 || q.trashed) {
		q.err = fmt.Errorf("repository: deleting %s: it takes conditions, and nothing else; DB.Gorm does the rest", q.model.schema.Table)
	}
	if q.err != nil {
		return 0, q.err
	}
	err = q.d.write(ctx, func(ctx context.Context) error {
		tx, err := q.gorm(ctx)
		if err != nil {
			return err
		}
		result := tx.Delete(new(T))
		n = result.RowsAffected
		return result.Error
	})
	return n, q.wrap("deleting", err)
}
