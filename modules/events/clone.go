package events

import (
	"net/netip"
	"reflect"
	"sync"
	"time"
	"unsafe"
)

// clone returns a copy of data that shares nothing a listener could change.
// What it cannot reach stays shared: unexported fields that refer to other
// memory, channels and functions. A type that has those takes part with a
// method Clone() T of its own.
func clone[T any](data T) T {
	if shapeOf(reflect.TypeFor[T]()).flat {
		return data
	}
	return deepClone(data)
}

func deepClone[T any](data T) T {
	if own, ok := any(data).(interface{ Clone() T }); ok {
		if v := reflect.ValueOf(data); v.Kind() == reflect.Pointer && v.IsNil() {
			return data
		}
		return own.Clone()
	}
	c := copier{}
	c.detach(reflect.ValueOf(&data).Elem())
	return data
}

// shape is what copying needs to know of a type.
type shape struct {
	// flat: assigning a value copies it wholly.
	flat bool
	// opaque: unexported fields, channels or functions would stay shared.
	opaque bool
}

var shapes sync.Map // reflect.Type -> shape

func shapeOf(t reflect.Type) shape {
	if known, ok := shapes.Load(t); ok {
		if s, ok := known.(shape); ok {
			return s
		}
	}
	s := inspect(t, make(map[reflect.Type]bool))
	shapes.Store(t, s)
	return s
}

// immutable types hold references but cannot be changed through their methods.
var immutable = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():      true,
	reflect.TypeFor[netip.Addr]():     true,
	reflect.TypeFor[netip.AddrPort](): true,
	reflect.TypeFor[netip.Prefix]():   true,
	reflect.TypeFor[*Payload]():       true,
}

func inspect(t reflect.Type, seen map[reflect.Type]bool) shape {
	if immutable[t] || seen[t] {
		return shape{flat: true}
	}
	// A type that contains itself adds nothing the second time round.
	seen[t] = true
	defer delete(seen, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return shape{opaque: inspect(t.Elem(), seen).opaque}
	case reflect.Map:
		return shape{opaque: inspect(t.Key(), seen).opaque || inspect(t.Elem(), seen).opaque}
	case reflect.Array:
		return inspect(t.Elem(), seen)
	case reflect.Struct:
		whole := shape{flat: true}
		for field := range t.Fields() {
			s := inspect(field.Type, seen)
			whole.flat = whole.flat && s.flat
			whole.opaque = whole.opaque || s.opaque || !s.flat && !field.IsExported()
		}
		return whole
	case reflect.Interface:
		return shape{}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return shape{opaque: true}
	default:
		return shape{flat: true}
	}
}

// copier detaches a shallow copy from its original. Pointers, maps and slices
// met before are not followed again, so that cyclic data ends.
type copier struct {
	seen map[visit]reflect.Value
}

type visit struct {
	at  unsafe.Pointer
	len int
	typ reflect.Type
}

// detach makes v, which holds a shallow copy and can be set, a deep one.
func (c *copier) detach(v reflect.Value) {
	if shapeOf(v.Type()).flat {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		c.once(v, 0, func() reflect.Value { return reflect.New(v.Type().Elem()) }, func(fresh reflect.Value) {
			fresh.Elem().Set(v.Elem())
			c.detach(fresh.Elem())
		})
	case reflect.Slice:
		c.once(v, v.Len(), func() reflect.Value { return reflect.MakeSlice(v.Type(), v.Len(), v.Len()) }, func(fresh reflect.Value) {
			reflect.Copy(fresh, v)
			c.elements(fresh)
		})
	case reflect.Map:
		c.once(v, 0, func() reflect.Value { return reflect.MakeMapWithSize(v.Type(), v.Len()) }, func(fresh reflect.Value) {
			for key, value := range v.Seq2() {
				fresh.SetMapIndex(c.detached(key), c.detached(value))
			}
		})
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(c.detached(v.Elem()))
		}
	case reflect.Array:
		c.elements(v)
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() {
				c.detach(field)
			}
		}
	}
}

func (c *copier) elements(v reflect.Value) {
	if shapeOf(v.Type().Elem()).flat {
		return
	}
	for i := range v.Len() {
		c.detach(v.Index(i))
	}
}

// detached returns a deep copy of v, which cannot be set itself.
func (c *copier) detached(v reflect.Value) reflect.Value {
	if shapeOf(v.Type()).flat {
		return v
	}
	fresh := reflect.New(v.Type()).Elem()
	fresh.Set(v)
	c.detach(fresh)
	return fresh
}

// once replaces the reference in v by a fresh one, filled by fill unless the
// same reference was met before.
func (c *copier) once(v reflect.Value, length int, blank func() reflect.Value, fill func(reflect.Value)) {
	if v.IsNil() {
		return
	}
	key := visit{at: v.UnsafePointer(), len: length, typ: v.Type()}
	fresh, met := c.seen[key]
	if !met {
		fresh = blank()
		if c.seen == nil {
			c.seen = map[visit]reflect.Value{}
		}
		c.seen[key] = fresh
		fill(fresh)
	}
	v.Set(fresh)
}
