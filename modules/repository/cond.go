package repository

import (
	"fmt"
	"reflect"

	"gorm.io/gorm/clause"
)

// Cond is a condition on a model's columns. Columns are named as in the database or as in Go and looked
// up in the model, so an unknown name is an ErrColumn and never becomes SQL; values are always bound.
type Cond struct {
	op     string
	column string
	value  any
	conds  []Cond
}

// Eq is column = v; a nil v is IS NULL.
func Eq(column string, v any) Cond { return Cond{op: "=", column: column, value: v} }

// Ne is column <> v; a nil v is IS NOT NULL.
func Ne(column string, v any) Cond { return Cond{op: "<>", column: column, value: v} }

// Gt is column > v.
func Gt(column string, v any) Cond { return Cond{op: ">", column: column, value: v} }

// Ge is column >= v.
func Ge(column string, v any) Cond { return Cond{op: ">=", column: column, value: v} }

// Lt is column < v.
func Lt(column string, v any) Cond { return Cond{op: "<", column: column, value: v} }

// Le is column <= v.
func Le(column string, v any) Cond { return Cond{op: "<=", column: column, value: v} }

// Like is column LIKE pattern: % stands for any text, _ for any character.
func Like(column, pattern string) Cond { return Cond{op: "LIKE", column: column, value: pattern} }

// In is column = one of vs; with none it is false.
func In[V any](column string, vs ...V) Cond {
	values := make([]any, len(vs))
	for i, v := range vs {
		values[i] = v
	}
	return Cond{op: "IN", column: column, value: values}
}

// Null is column IS NULL.
func Null(column string) Cond { return Cond{op: "=", column: column} }

// NotNull is column IS NOT NULL.
func NotNull(column string) Cond { return Cond{op: "<>", column: column} }

// And is true if all conditions are; with none it is true.
func And(conds ...Cond) Cond { return Cond{op: "AND", conds: conds} }

// Or is true if one of the conditions is; with none it is false.
func Or(conds ...Cond) Cond { return Cond{op: "OR", conds: conds} }

// Not is true if the condition is false.
func Not(cond Cond) Cond { return Cond{op: "NOT", conds: []Cond{cond}} }

var (
	always = clause.Expr{SQL: "1 = 1"}
	never  = clause.Expr{SQL: "1 = 0"}
)

func (m *model[T]) build(c Cond) (clause.Expression, error) {
	switch c.op {
	case "AND", "OR", "NOT":
		return m.combine(c)
	}
	f, err := m.column(c.column)
	if err != nil {
		return nil, err
	}
	if c.op == "IN" {
		values, ok := c.value.([]any)
		if !ok || len(values) == 0 {
			return never, nil
		}
		list := make([]any, len(values))
		for i, v := range values {
			if v, err = m.inKind(f, v); err != nil {
				return nil, err
			}
			list[i] = bound{v}
		}
		return clause.IN{Column: column(f), Values: list}, nil
	}
	if isNil(c.value) {
		switch c.op {
		case "=":
			return clause.Eq{Column: column(f)}, nil
		case "<>":
			return clause.Neq{Column: column(f)}, nil
		}
		return nil, fmt.Errorf("%w: %s %s nil", ErrColumn, c.column, c.op)
	}
	value := c.value
	if c.op != "LIKE" {
		if value, err = m.inKind(f, value); err != nil {
			return nil, err
		}
	}
	return clause.Expr{SQL: "? " + c.op + " ?", Vars: []any{column(f), bound{value}}, WithoutParentheses: true}, nil
}

func (m *model[T]) combine(c Cond) (clause.Expression, error) {
	if len(c.conds) == 0 {
		if c.op == "OR" {
			return never, nil
		}
		return always, nil
	}
	parts := make([]any, len(c.conds))
	sql := ""
	for i, sub := range c.conds {
		part, err := m.build(sub)
		if err != nil {
			return nil, err
		}
		parts[i] = part
		if i > 0 {
			sql += " " + c.op + " "
		}
		sql += "(?)"
	}
	if c.op == "NOT" {
		sql = "NOT (?)"
	}
	return clause.Expr{SQL: sql, Vars: parts, WithoutParentheses: true}, nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}
