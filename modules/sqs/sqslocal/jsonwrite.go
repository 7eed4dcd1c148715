package sqslocal

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// appendJSON appends v's AWS JSON form to b. Empty strings, lists and maps and nil pointers are left out of structs, as AWS
// does; numbers and booleans always travel. Map keys are sorted, so that equal answers are equal bytes.
func appendJSON(b []byte, v reflect.Value, s *shape) []byte {
	if s.pointer {
		v = v.Elem()
	}
	switch s.kind {
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, v.Index(i), s.elem)
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSONString(b, key.String())
			b = append(b, ':')
			b = appendJSON(b, v.MapIndex(key), s.elem)
		}
		return append(b, '}')
	case kindStruct:
		return appendJSONStruct(b, v, s)
	default:
		return appendJSONString(b, v.String())
	}
}

func appendJSONStruct(b []byte, v reflect.Value, s *shape) []byte {
	b = append(b, '{')
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		member := v.Field(f.index)
		if omitted(member, f.shape) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		b = appendJSON(b, member, f.shape)
	}
	return append(b, '}')
}

func omitted(v reflect.Value, s *shape) bool {
	if s.pointer {
		return v.IsNil()
	}
	switch s.kind {
	case kindString, kindBytes, kindList, kindMap:
		return v.Len() == 0
	default:
		return false
	}
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return keys
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends s quoted. It leaves all but the characters that JSON forbids as they are, copying runs of plain
// bytes at once.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
