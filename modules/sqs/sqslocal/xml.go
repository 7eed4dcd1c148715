package sqslocal

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"reflect"
	"strconv"
)

const (
	xmlHeader    = `<?xml version="1.0"?>`
	xmlNamespace = `http://queue.amazonaws.com/doc/2012-11-05/`
)

func (*queryProtocol) success(b []byte, action string, out reflect.Value, requestID string) []byte {
	w := xmlWriter{bytes.NewBuffer(b)}
	w.WriteString(xmlHeader + "<" + action + `Response xmlns="` + xmlNamespace + `">`)
	if s := shapeOf(out.Type()); len(s.fields) > 0 {
		w.open(action + "Result")
		w.structure(out, s)
		w.close(action + "Result")
	}
	w.open("ResponseMetadata")
	w.text("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(action + "Response")
	return w.Bytes()
}

func (*queryProtocol) failure(b []byte, e *apiError, requestID string) []byte {
	w := xmlWriter{bytes.NewBuffer(b)}
	w.WriteString(xmlHeader + `<ErrorResponse xmlns="` + xmlNamespace + `">`)
	w.open("Error")
	w.text("Type", e.fault())
	w.text("Code", e.query)
	w.text("Message", e.message)
	w.WriteString("<Detail/>")
	w.close("Error")
	w.text("RequestId", requestID)
	w.close("ErrorResponse")
	return w.Bytes()
}

// xmlWriter writes an answer in the Query protocol's form: lists and maps are flattened into repeated elements.
type xmlWriter struct{ *bytes.Buffer }

func (b xmlWriter) open(name string) { b.WriteString("<" + name + ">") }

func (b xmlWriter) close(name string) { b.WriteString("</" + name + ">") }

func (b xmlWriter) text(name, value string) {
	b.open(name)
	_ = xml.EscapeText(b, []byte(value)) // a buffer's Write does not fail
	b.close(name)
}

func (b xmlWriter) structure(v reflect.Value, s *shape) {
	for i := range s.fields {
		f := &s.fields[i]
		if member := v.Field(f.index); !omitted(member, f.shape) {
			b.member(f.query, member, f.shape, f.key)
		}
	}
}

func (b xmlWriter) member(name string, v reflect.Value, s *shape, key string) {
	if s.pointer {
		v = v.Elem()
	}
	switch s.kind {
	case kindInt:
		b.text(name, strconv.FormatInt(v.Int(), 10))
	case kindBool:
		b.text(name, strconv.FormatBool(v.Bool()))
	case kindBytes:
		b.text(name, base64.StdEncoding.EncodeToString(v.Bytes()))
	case kindList:
		for i := range v.Len() {
			b.member(name, v.Index(i), s.elem, "")
		}
	case kindMap:
		for _, k := range sortedKeys(v) {
			b.open(name)
			b.text(key, k.String())
			b.member("Value", v.MapIndex(k), s.elem, "")
			b.close(name)
		}
	case kindStruct:
		b.open(name)
		b.structure(v, s)
		b.close(name)
	default:
		b.text(name, v.String())
	}
}
