package repository

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// Version is the type of a column for optimistic locking: give a model a field of it, and Update fails
// with ErrConflict when the row was changed since it was read.
type Version int64

// model is what reflection and gorm know about T, found once.
type model[T any] struct {
	schema  *schema.Schema
	keys    []*schema.Field
	version *schema.Field // nil: no optimistic locking
	deleted *schema.Field // nil: no soft delete
	fixed   []string      // columns that Update leaves alone
	shares  bool          // copies of a T share memory
	coerces bool          // the database compares values of different kinds
}

func newModel[T any](d *DB) (*model[T], error) {
	if reflect.TypeFor[T]().Kind() != reflect.Struct {
		return nil, fmt.Errorf("repository: %v is not a model: it must be a struct", reflect.TypeFor[T]())
	}
	stmt := &gorm.Statement{DB: d.gorm}
	if err := stmt.Parse(new(T)); err != nil {
		return nil, fmt.Errorf("repository: reading model %v: %w", reflect.TypeFor[T](), err)
	}
	m := &model[T]{schema: stmt.Schema, keys: stmt.Schema.PrimaryFields, coerces: d.dialect.MySQL}
	m.fixed = []string{clause.Associations}
	for _, f := range m.schema.Fields {
		if f.PrimaryKey || f.AutoCreateTime > 0 {
			m.fixed = append(m.fixed, f.Name)
		}
		switch {
		case f.DBName == "":
		case f.IndirectFieldType == reflect.TypeFor[Version]():
			m.version = f
		case f.IndirectFieldType == reflect.TypeFor[gorm.DeletedAt]():
			m.deleted = f
		}
	}
	m.shares = sharesMemory(reflect.TypeFor[T]())
	return m, nil
}

// column finds a column by its name in the database or in Go. Nothing else gets into SQL as a name.
func (m *model[T]) column(name string) (*schema.Field, error) {
	if f := m.schema.LookUpField(name); f != nil && f.DBName != "" {
		return f, nil
	}
	return nil, fmt.Errorf("%w: %s has no %q", ErrColumn, m.schema.Table, name)
}

// sharesMemory tells whether a copy of a value refers to memory of the original.
func sharesMemory(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return false // its location is never changed
		}
		for f := range t.Fields() {
			if sharesMemory(f.Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return sharesMemory(t.Elem())
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer:
		return true
	}
	return false
}

// key ties an ID type to a model's primary key.
type key[ID comparable] struct {
	fields []*schema.Field
	parts  [][]int // for a composite key: where in ID the value of each field is
	binds  bool    // ID is no key by itself to database/sql: bind its parts
}

func newKey[T any, ID comparable](m *model[T]) (*key[ID], error) {
	id, table := reflect.TypeFor[ID](), m.schema.Table
	switch len(m.keys) {
	case 0:
		return nil, fmt.Errorf("%w: %s has no primary key; tag one field with gorm:\"primaryKey\"", ErrKey, table)
	case 1:
		if f := m.keys[0]; f.FieldType != id {
			return nil, fmt.Errorf("%w: the primary key %s of %s is a %v, not a %v", ErrKey, f.Name, table, f.FieldType, id)
		}
		return &key[ID]{fields: m.keys}, nil
	}
	var names []string
	for _, f := range m.keys {
		names = append(names, f.Name+" "+f.FieldType.String())
	}
	hint := fmt.Errorf("%w: the primary key of %s has %d columns; the ID must be a struct { %s }", ErrKey, table, len(m.keys), strings.Join(names, "; "))
	if id.Kind() != reflect.Struct || id.NumField() != len(m.keys) {
		return nil, hint
	}
	k := &key[ID]{fields: m.keys, binds: true}
	for _, f := range m.keys {
		part, found := id.FieldByName(f.Name)
		if !found || part.Type != f.FieldType || !part.IsExported() {
			return nil, hint
		}
		k.parts = append(k.parts, part.Index)
	}
	return k, nil
}

// values returns what is bound for an ID, in the order of fields.
func (k *key[ID]) values(args []any, id ID) []any {
	if !k.binds {
		return append(args, id)
	}
	v := reflect.ValueOf(id)
	for _, part := range k.parts {
		args = append(args, v.FieldByIndex(part).Interface())
	}
	return args
}

// of reads the ID of a row.
func (k *key[ID]) of(ctx context.Context, row reflect.Value) (id ID) {
	if !k.binds {
		if p, ok := reflect.TypeAssert[*ID](k.fields[0].ReflectValueOf(ctx, row).Addr()); ok {
			return *p
		}
		return id
	}
	v := reflect.ValueOf(&id).Elem()
	for i, f := range k.fields {
		v.FieldByIndex(k.parts[i]).Set(f.ReflectValueOf(ctx, row))
	}
	return id
}
