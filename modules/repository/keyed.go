package repository

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"sync"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// keyed reads rows by their key. gorm makes the SQL text, once for each number of keys: so naming,
// quoting and soft delete are gorm's. Binding and scanning are done here where the model allows it.
type keyed[T any, ID comparable] struct {
	d     *DB
	model *model[T]
	key   *key[ID]
	scan  *scanner[T] // nil: gorm reads

	mu    sync.RWMutex
	texts map[int]*statement // by number of keys, padded; -1: one array of any length
}

// statement is the text of a query and, where it pays, its prepared form.
type statement struct {
	text string
	stmt *sql.Stmt
}

// anyLength stands for the statement with one array parameter.
const anyLength = -1

func newKeyed[T any, ID comparable](d *DB, m *model[T], k *key[ID], throughGorm bool) *keyed[T, ID] {
	q := &keyed[T, ID]{d: d, model: m, key: k, texts: map[int]*statement{}}
	if !throughGorm {
		q.scan = newScanner(m)
	}
	return q
}

// The keys of one query are capped: a longer list gains nothing, and a chain of ORs may be no deeper
// than SQLite's expression limit of 1000 (sqlite.org/limits.html).
const (
	maxKeys          = 1000
	maxCompositeKeys = 250
)

// find reads the rows of distinct ids, in any order; those that do not exist are left out.
func (q *keyed[T, ID]) find(ctx context.Context, ids []ID) ([]T, error) {
	out := make([]T, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), q.limit())
		var err error
		if out, err = q.page(ctx, ids[:n], out); err != nil {
			return nil, q.d.closedOr(q.d.classify(err))
		}
		ids = ids[n:]
	}
	return out, nil
}

func (q *keyed[T, ID]) limit() int {
	if q.key.binds {
		return maxCompositeKeys
	}
	return maxKeys
}

func (q *keyed[T, ID]) arrays() bool { return q.d.dialect.Arrays && !q.key.binds }

func (q *keyed[T, ID]) page(ctx context.Context, ids []ID, out []T) ([]T, error) {
	if q.scan == nil {
		var rows []T
		err := q.where(q.d.Gorm(ctx), ids).Find(&rows).Error
		return append(out, rows...), err
	}
	n, args := q.bind(ids)
	s, err := q.statement(ctx, n)
	if err != nil {
		return nil, err
	}
	rows, err := q.query(ctx, s, args)
	if err != nil {
		return nil, err
	}
	return q.scan.rows(ctx, rows, out)
}

// bind returns the arguments and which statement they are for. Lists are padded to powers of two by
// repeating the last key, so that few statements exist.
func (q *keyed[T, ID]) bind(ids []ID) (n int, args []any) {
	switch {
	case len(ids) == 1:
		return 1, q.key.values(make([]any, 0, len(q.key.fields)), ids[0])
	case q.arrays():
		return anyLength, []any{ids}
	}
	n = 2
	for n < len(ids) {
		n *= 2
	}
	n = min(n, q.limit())
	args = make([]any, 0, n*len(q.key.fields))
	for i := range n {
		args = q.key.values(args, ids[min(i, len(ids)-1)])
	}
	return n, args
}

func (q *keyed[T, ID]) query(ctx context.Context, s *statement, args []any) (*sql.Rows, error) {
	t := q.d.current(ctx)
	switch {
	case s.stmt == nil && t != nil:
		return t.tx.QueryContext(ctx, s.text, args...)
	case s.stmt == nil:
		return q.d.sql.QueryContext(ctx, s.text, args...)
	case t != nil:
		return t.tx.StmtContext(ctx, s.stmt).QueryContext(ctx, args...)
	}
	return s.stmt.QueryContext(ctx, args...)
}

// statement makes the n-key statement at its first use. Preparing needs a connection: inside a
// transaction, which may hold the last one, the text is used as it is.
func (q *keyed[T, ID]) statement(ctx context.Context, n int) (*statement, error) {
	q.mu.RLock()
	s := q.texts[n]
	q.mu.RUnlock()
	if s != nil && (s.stmt != nil || !q.d.dialect.Prepare || q.d.InTx(ctx)) {
		return s, nil
	}
	if s == nil {
		text, err := q.text(n)
		if err != nil {
			return nil, err
		}
		s = &statement{text: text}
	}
	if q.d.dialect.Prepare && !q.d.InTx(ctx) {
		stmt, err := q.d.sql.PrepareContext(ctx, s.text)
		if err != nil {
			return nil, err
		}
		s = &statement{s.text, stmt}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if known := q.texts[n]; known != nil && known.stmt != nil {
		if s.stmt != nil {
			_ = s.stmt.Close() // another call was first
		}
		return known, nil
	}
	q.texts[n] = s
	return s, nil
}

// text asks gorm for the SQL of a find of n keys.
func (q *keyed[T, ID]) text(n int) (string, error) {
	var rows []T
	ids, want := make([]ID, max(n, 2)), 1 // one array
	if n != anyLength {
		ids, want = ids[:n], n*len(q.key.fields)
	}
	dry := q.d.gorm.Session(&gorm.Session{NewDB: true, DryRun: true, QueryFields: true})
	result := q.where(dry, ids).Find(&rows)
	if result.Error != nil {
		return "", result.Error
	}
	if got := len(result.Statement.Vars); got != want {
		return "", fmt.Errorf("repository: a find of %d %s binds %d values, not %d", len(ids), q.model.schema.Table, got, want)
	}
	return result.Statement.SQL.String(), nil
}

// where restricts a gorm query to the ids.
func (q *keyed[T, ID]) where(tx *gorm.DB, ids []ID) *gorm.DB {
	if q.arrays() && len(ids) > 1 {
		return tx.Where(clause.Expr{SQL: "? = ANY(?)", Vars: []any{column(q.key.fields[0]), bound{ids}}, WithoutParentheses: true})
	}
	if !q.key.binds && len(ids) > 1 {
		values := make([]any, len(ids))
		for i, id := range ids {
			values[i] = bound{id}
		}
		return tx.Where(clause.IN{Column: column(q.key.fields[0]), Values: values})
	}
	each := make([]clause.Expression, len(ids))
	for i, id := range ids {
		var all []clause.Expression
		for j, v := range q.key.values(nil, id) {
			all = append(all, clause.Eq{Column: column(q.key.fields[j]), Value: bound{v}})
		}
		each[i] = clause.And(all...)
	}
	if len(each) == 1 {
		return tx.Where(each[0])
	}
	return tx.Where(disjunction(each))
}

func column(f *schema.Field) clause.Column {
	return clause.Column{Table: clause.CurrentTable, Name: f.DBName}
}

// exists asks for a key without reading its row.
func (q *keyed[T, ID]) exists(ctx context.Context, id ID) (bool, error) {
	var found []int
	err := q.where(q.d.Gorm(ctx).Model(new(T)), []ID{id}).Select("1").Limit(1).Find(&found).Error
	return len(found) > 0, q.d.closedOr(q.d.classify(err))
}

// locate tells for each place of an id which row is its, or -1. stray says that a row has an ID nobody
// asked for: the database thinks two keys equal that Go does not, as with a column that ignores case.
// Whoever misses a row then asks alone.
func (q *keyed[T, ID]) locate(ctx context.Context, places map[ID]int, rows []T) (at []int, stray bool) {
	at = make([]int, len(places))
	for i := range at {
		at[i] = -1
	}
	for i := range rows {
		place, asked := places[q.key.of(ctx, reflect.ValueOf(&rows[i]).Elem())]
		if !asked {
			stray = true
			continue
		}
		at[place] = i
	}
	return at, stray
}

func (q *keyed[T, ID]) notFound(id ID) error {
	return &NotFoundError{Table: q.model.schema.Table, ID: id}
}
