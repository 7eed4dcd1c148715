package repository

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// bound is one parameter, whatever the value is: gorm spreads slices and renders some types as SQL,
// which must not happen to what may be input.
type bound struct{ value any }

// Build implements clause.Expression.
func (b bound) Build(builder clause.Builder) {
	if stmt, ok := builder.(*gorm.Statement); ok {
		stmt.Vars = append(stmt.Vars, b.value)
		stmt.BindVarTo(stmt, stmt, b.value)
	}
}
