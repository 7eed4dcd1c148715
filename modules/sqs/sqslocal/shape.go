package sqslocal

import (
	"reflect"
	"strings"
	"sync"
)

// kind is how a value travels on the wire.
type kind uint8

const (
	kindString kind = iota
	kindInt
	kindBool
	kindBytes
	kindList
	kindMap
	kindStruct
)

// shape is the wire form of a Go type, worked out once per type and shared by the JSON and the Query protocol, so that
// an action is described once, as a pair of structs.
type shape struct {
	kind    kind
	pointer bool
	elem    *shape  // of a list or a map
	fields  []field // of a struct
	byName  map[string]int
}

// field is a struct member. Its tag reads `sqs:"JSONName"`, or `sqs:"JSONName,QueryName"` where the Query protocol calls a
// flattened list or map otherwise, or `sqs:"JSONName,QueryName,Key"` where a map's entries have a Key, not a Name.
type field struct {
	name, query, key string
	index            int
	shape            *shape
}

var shapes sync.Map // reflect.Type -> *shape

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		if s, isShape := known.(*shape); isShape {
			return s
		}
	}
	s := newShape(t)
	shapes.Store(t, s)
	return s
}

func newShape(t reflect.Type) *shape {
	s := &shape{}
	if t.Kind() == reflect.Pointer {
		s.pointer = true
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		s.kind = kindInt
	case reflect.Bool:
		s.kind = kindBool
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			s.kind = kindBytes
			break
		}
		s.kind, s.elem = kindList, shapeOf(t.Elem())
	case reflect.Map:
		s.kind, s.elem = kindMap, shapeOf(t.Elem())
	case reflect.Struct:
		s.kind, s.byName = kindStruct, map[string]int{}
		for i := range t.NumField() {
			f := newField(t.Field(i), i)
			s.byName[f.name] = len(s.fields)
			s.fields = append(s.fields, f)
		}
	default:
		s.kind = kindString
	}
	return s
}

func newField(f reflect.StructField, index int) field {
	parts := strings.Split(f.Tag.Get("sqs"), ",")
	out := field{name: parts[0], query: parts[0], key: "Name", index: index, shape: shapeOf(f.Type)}
	if len(parts) > 1 {
		out.query = parts[1]
	}
	if len(parts) > 2 {
		out.key = parts[2]
	}
	return out
}
