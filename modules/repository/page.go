package repository

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm/clause"
)

// Page is one page of a query, counted from 1, with the total.
type Page[T any] struct {
	Rows    []T
	Page    int
	PerPage int
	Total   int64 // rows of all pages
	Pages   int   // at least 1
}

// Paginate returns a page of perPage rows and counts all. A page or perPage below 1 counts as 1. The
// primary key breaks ties of the order, so no row is on two pages while nothing is written. It costs
// one count and, for deep pages, the rows before them: CursorPaginate costs neither.
func (q Query[T]) Paginate(ctx context.Context, page, perPage int) (Page[T], error) {
	p := Page[T]{Page: max(1, page), PerPage: max(1, perPage)}
	var err error
	if p.Total, err = q.Count(ctx); err != nil {
		return p, err
	}
	p.Pages = max(1, int((p.Total+int64(p.PerPage)-1)/int64(p.PerPage)))
	q.orders = q.total()
	p.Rows, err = q.Limit(p.PerPage).Offset((p.Page - 1) * p.PerPage).All(ctx)
	return p, err
}

// Cursor is a position in a query's order. It is opaque and fit for a URL; it holds the sort values of
// one row, readable by whoever decodes it. The empty Cursor is the beginning.
type Cursor string

// CursorPage is one page of a query with the position behind it.
type CursorPage[T any] struct {
	Rows []T
	Next Cursor // empty after the last page
}

// CursorPaginate returns n rows behind a cursor. The primary key breaks ties, so however many rows are
// written meanwhile, none is skipped or repeated but those whose sort values change. A cursor of
// another query or order is an ErrCursor. n below 1 counts as 1.
func (q Query[T]) CursorPaginate(ctx context.Context, after Cursor, n int) (CursorPage[T], error) {
	q.orders = q.total()
	n = max(1, n)
	if after != "" {
		values, err := q.decode(after)
		if err != nil {
			return CursorPage[T]{}, err
		}
		q.conds = append(append([]clause.Expression{}, q.conds...), q.behind(values))
		q.offset = 0
	}
	rows, err := q.Limit(n + 1).All(ctx) // one more tells whether there is more
	if err != nil || len(rows) <= n {
		return CursorPage[T]{Rows: rows}, err
	}
	next, err := q.encode(ctx, &rows[n-1])
	return CursorPage[T]{Rows: rows[:n], Next: next}, err
}

// total extends the order by the primary key, so that no two rows are equal in it.
func (q Query[T]) total() []order {
	orders := append([]order{}, q.orders...)
	for _, k := range q.byKey() {
		covered := false
		for _, o := range q.orders {
			covered = covered || o.field == k.field
		}
		if !covered {
			orders = append(orders, k)
		}
	}
	return orders
}

// cursorWire names the order, so that a cursor cannot be used with another one.
type cursorWire struct {
	Order  string            `json:"o"`
	Values []json.RawMessage `json:"v"`
}

func (q Query[T]) orderName() string {
	names := make([]string, len(q.orders))
	for i, o := range q.orders {
		names[i] = o.field.DBName
		if o.desc {
			names[i] += "-"
		}
	}
	return q.model.schema.Table + ":" + strings.Join(names, ",")
}

func (q Query[T]) encode(ctx context.Context, row *T) (Cursor, error) {
	w := cursorWire{Order: q.orderName()}
	for _, o := range q.orders {
		text, err := json.Marshal(o.field.ReflectValueOf(ctx, reflect.ValueOf(row).Elem()).Interface())
		if err != nil {
			return "", fmt.Errorf("%w: column %s: %w", ErrCursor, o.field.DBName, err)
		}
		w.Values = append(w.Values, text)
	}
	text, err := json.Marshal(w)
	return Cursor(base64.RawURLEncoding.EncodeToString(text)), err
}

// decode reads the values in the types of their columns, so nothing else can be bound.
func (q Query[T]) decode(c Cursor) ([]any, error) {
	var w cursorWire
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	case w.Order != q.orderName() || len(w.Values) != len(q.orders):
		return nil, fmt.Errorf("%w: it is of another order", ErrCursor)
	}
	values := make([]any, len(w.Values))
	for i, o := range q.orders {
		v := reflect.New(o.field.FieldType)
		if err := json.Unmarshal(w.Values[i], v.Interface()); err != nil {
			return nil, fmt.Errorf("%w: column %s: %w", ErrCursor, o.field.DBName, err)
		}
		values[i] = v.Elem().Interface()
		if string(w.Values[i]) == "null" {
			values[i] = nil
		}
	}
	return values, nil
}

// behind is true for rows after the one with these values: equal in the first columns and behind in the
// next, for each column in turn.
func (q Query[T]) behind(values []any) clause.Expression {
	var options []clause.Expression
	var equal []clause.Expression
	for i, o := range q.orders {
		col := column(o.field)
		if values[i] == nil { // NULLs are last: nothing is behind them in this column
			equal = append(equal, clause.Eq{Column: col})
			continue
		}
		op := "? > ?"
		if o.desc {
			op = "? < ?"
		}
		var further clause.Expression = clause.Expr{SQL: op, Vars: vars(col, values[i]), WithoutParentheses: true}
		if o.nullable() {
			further = clause.Expr{SQL: "(" + op + " OR ? IS NULL)", Vars: append(vars(col, values[i]), col), WithoutParentheses: true}
		}
		options = append(options, clause.And(append(append([]clause.Expression{}, equal...), further)...))
		equal = append(equal, clause.Eq{Column: col, Value: bound{values[i]}})
	}
	if len(options) == 0 {
		return never
	}
	return disjunction(options)
}

func vars(col clause.Column, value any) []any { return []any{col, bound{value}} }

// disjunction is what clause.Or should be: gorm merges a lone OR with the conditions beside it.
func disjunction(exprs []clause.Expression) clause.Expression {
	parts := make([]any, len(exprs))
	sql := strings.TrimSuffix(strings.Repeat("(?) OR ", len(exprs)), " OR ")
	for i, e := range exprs {
		parts[i] = e
	}
	return clause.Expr{SQL: "(" + sql + ")", Vars: parts, WithoutParentheses: true}
}
