package sqslocal

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// queryProtocol is the AWS Query protocol: a form in, XML out.
type queryProtocol struct{ form url.Values }

func (*queryProtocol) contentType() string { return "text/xml" }

func (p *queryProtocol) action(r *http.Request, body []byte) (string, error) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", errMalformedQuery(err)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" || kind == "" {
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return "", errMalformedQuery(err)
		}
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	}
	for _, values := range form {
		if !slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			continue
		}
		return "", errInvalidMessageContents()
	}
	p.form = form
	if form.Get("QueueUrl") == "" && strings.Trim(r.URL.Path, "/") != "" {
		form.Set("QueueUrl", r.URL.Path)
	}
	if !form.Has("Action") {
		return "", coralError("MissingActionException", "MissingAction", "The request must contain the parameter Action.")
	}
	return form.Get("Action"), nil
}

func (p *queryProtocol) read(_ *http.Request, _ []byte, v reflect.Value) error {
	names := make([]string, 0, len(p.form))
	for name := range p.form {
		names = append(names, name)
	}
	slices.Sort(names)
	f := &form{values: p.form, names: names}
	return f.structure("", v, shapeOf(v.Type()))
}

// form finds the parameters of lists and maps, whose names are numbered from 1: Entry.1.Id, Entry.2.Id.
type form struct {
	values url.Values
	names  []string // sorted
}

// has reports whether a parameter is called name or begins with it and a dot.
func (f *form) has(name string) bool {
	if _, exact := f.values[name]; exact {
		return true
	}
	at, _ := slices.BinarySearch(f.names, name+".")
	return at < len(f.names) && strings.HasPrefix(f.names[at], name+".")
}

func (f *form) structure(prefix string, v reflect.Value, s *shape) error {
	for i := range s.fields {
		member := &s.fields[i]
		if name := prefix + member.query; f.has(name) {
			if err := f.value(name, v.Field(member.index), member.shape, member.key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *form) value(name string, v reflect.Value, s *shape, key string) error {
	if s.pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	text := f.values.Get(name)
	switch s.kind {
	case kindString:
		v.SetString(text)
	case kindInt:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errParameter(strconv.Quote(text), name, "Must be an integer.")
		}
		v.SetInt(n)
	case kindBool:
		v.SetBool(text == yes)
	case kindBytes:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errParameter(strconv.Quote(text), name, "Must be base64.")
		}
		v.SetBytes(raw)
	case kindStruct:
		return f.structure(name+".", v, s)
	case kindList:
		return f.list(name, v, s)
	case kindMap:
		return f.dictionary(name, v, s, key)
	}
	return nil
}

func (f *form) list(name string, v reflect.Value, s *shape) error {
	for i := 1; ; i++ {
		item := name + "." + strconv.Itoa(i)
		if !f.has(item) {
			return nil
		}
		one := reflect.New(v.Type().Elem()).Elem()
		if err := f.value(item, one, s.elem, ""); err != nil {
			return err
		}
		v.Set(reflect.Append(v, one))
	}
}

func (f *form) dictionary(name string, v reflect.Value, s *shape, key string) error {
	v.Set(reflect.MakeMap(v.Type()))
	add := func(entry string) error {
		one := reflect.New(v.Type().Elem()).Elem()
		if err := f.value(entry+".Value", one, s.elem, ""); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(f.values.Get(entry+"."+key)), one)
		return nil
	}
	if f.has(name + "." + key) { // a single entry may go without its number
		return add(name)
	}
	for i := 1; ; i++ {
		entry := name + "." + strconv.Itoa(i)
		if !f.has(entry) {
			return nil
		}
		if err := add(entry); err != nil {
			return err
		}
	}
}

func errMalformedQuery(err error) *apiError {
	return coralError("MalformedQueryStringException", "MalformedQueryString", "The query string is malformed: "+err.Error())
}
