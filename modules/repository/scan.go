package repository

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"
	"time"

	"gorm.io/gorm/schema"

	"github.com/fxpond/fxpond/modules/goroutine"
)

// scanner reads rows into T without going through gorm: a find by key is where a service spends its
// reads, and gorm's scan takes nearly twice the allocations of a hand-written one. It exists only for
// models where the result is the same.
type scanner[T any] struct {
	fields []*schema.Field
}

// newScanner returns nil if T needs gorm: hooks after a find, serializers, types that only gorm can read.
func newScanner[T any](m *model[T]) *scanner[T] {
	if m.schema.AfterFind {
		return nil
	}
	s := new(scanner[T])
	for _, name := range m.schema.DBNames {
		f := m.schema.FieldsByDBName[name]
		if !f.Readable || f.Serializer != nil || !scannable(f.FieldType) {
			return nil
		}
		s.fields = append(s.fields, f)
	}
	return s
}

var scannerType = reflect.TypeFor[sql.Scanner]()

func scannable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(scannerType) {
		return true
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return t == reflect.TypeFor[time.Time]()
}

// rows reads all rows and closes them.
func (s *scanner[T]) rows(ctx context.Context, rows *sql.Rows, out []T) ([]T, error) {
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	dest := make([]any, len(s.fields))
	cells := make([]cell, len(s.fields))
	for rows.Next() {
		var zero T
		out = append(out, zero)
		row := reflect.ValueOf(&out[len(out)-1]).Elem()
		for i, f := range s.fields {
			dest[i] = cells[i].into(f.ReflectValueOf(ctx, row))
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, fmt.Errorf("repository: reading a row: %w", err)
		}
	}
	return out, rows.Err()
}

// cell scans into a plain Go value and takes NULL as its zero, as gorm does.
type cell struct {
	dst reflect.Value
	own sql.Scanner // the type's own
}

// into returns what rows.Scan shall fill.
func (c *cell) into(v reflect.Value) any {
	p := v.Addr().Interface()
	if own, ok := p.(sql.Scanner); ok {
		c.own = own
		return c
	}
	if _, bytes := p.(*[]byte); bytes || v.Kind() == reflect.Pointer {
		return p
	}
	c.dst, c.own = v, nil
	return c
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) error {
	if c.own != nil {
		return c.guarded(src)
	}
	switch src := src.(type) {
	case nil:
		c.dst.SetZero()
		return nil
	case int64:
		if c.dst.CanInt() && !c.dst.OverflowInt(src) {
			c.dst.SetInt(src)
			return nil
		}
		if c.dst.CanUint() && src >= 0 && !c.dst.OverflowUint(uint64(src)) {
			c.dst.SetUint(uint64(src))
			return nil
		}
		if c.dst.CanInt() || c.dst.CanUint() {
			return fmt.Errorf("value %d does not fit into a %v", src, c.dst.Type())
		}
		if c.dst.CanFloat() && math.Abs(float64(src)) <= 1<<53 {
			c.dst.SetFloat(float64(src))
			return nil
		}
	case string:
		if c.dst.Kind() == reflect.String {
			c.dst.SetString(src)
			return nil
		}
	case []byte:
		if c.dst.Kind() == reflect.String {
			c.dst.SetString(string(src))
			return nil
		}
	case time.Time:
		if t, ok := reflect.TypeAssert[*time.Time](c.dst.Addr()); ok {
			*t = src
			return nil
		}
	case bool:
		if c.dst.Kind() == reflect.Bool {
			c.dst.SetBool(src)
			return nil
		}
	}
	return c.convert(src)
}

// guarded turns a panic of the type's own Scan into an error: it would leave rows locked, and closing
// them would wait for ever.
func (c *cell) guarded(src any) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &goroutine.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return c.own.Scan(src)
}

// convert lets database/sql convert what is not the obvious pair of types.
func (c *cell) convert(src any) error {
	switch c.dst.Kind() {
	case reflect.String:
		return convert(src, func(v string) { c.dst.SetString(v) })
	case reflect.Bool:
		return convert(src, func(v bool) { c.dst.SetBool(v) })
	case reflect.Float32, reflect.Float64:
		return convert(src, func(v float64) { c.dst.SetFloat(v) })
	case reflect.Slice:
		return convert(src, func(v []byte) { c.dst.SetBytes(v) })
	case reflect.Struct:
		return convert(src, func(v time.Time) { c.dst.Set(reflect.ValueOf(v)) })
	}
	fits := true
	var err error
	if c.dst.CanInt() {
		err = convert(src, func(v int64) {
			if fits = !c.dst.OverflowInt(v); fits {
				c.dst.SetInt(v)
			}
		})
	} else {
		err = convert(src, func(v uint64) {
			if fits = !c.dst.OverflowUint(v); fits {
				c.dst.SetUint(v)
			}
		})
	}
	if err == nil && !fits {
		err = fmt.Errorf("value %v does not fit into a %v", src, c.dst.Type())
	}
	return err
}

func convert[V any](src any, set func(V)) error {
	var v sql.Null[V]
	if err := v.Scan(src); err != nil {
		return err
	}
	set(v.V)
	return nil
}
