package events

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
)

// Validate checks each payload against its `validate:` struct tags before the
// listener sees it. A payload that fails is a permanent *InvalidError: it will
// not be valid next time either. The payload must be a struct, a pointer to
// one, or a slice or map of them; tags that the validator does not know are an
// error at start.
//
// Tags: github.com/go-playground/validator, the library that most Go services
// use for request bodies, so that one set of tags serves both.
func Validate() ListenerOption {
	return func(o *listenerOptions) { o.validate = true }
}

// InvalidError says which fields of a payload break their rules. It never
// contains the values, which may be personal data.
type InvalidError struct {
	Event, Listener string
	Fields          []InvalidField
}

// InvalidField is one field and the rule it breaks.
type InvalidField struct {
	Path string // as in JSON: "address.zip"
	Rule string // as in the tag: "min=3"
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Path + " breaks " + f.Rule
	}
	return fmt.Sprintf("event %q: listener %q: invalid payload: %s", clip(e.Event), e.Listener, strings.Join(parts, ", "))
}

// validation is shared: it caches what it learns of each type.
var validation = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(field reflect.StructField) string {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			return ""
		}
		return name
	})
	return v
})

func validatePayload(listener, event string, data any) error {
	err := checkStruct(data)
	if err == nil {
		return nil
	}
	invalid := &InvalidError{Event: event, Listener: listener}
	failures, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok { // such as a nil pointer
		invalid.Fields = []InvalidField{{Path: "payload", Rule: "required"}}
		return Permanent(invalid)
	}
	for _, f := range failures {
		rule := f.Tag()
		if f.Param() != "" {
			rule += "=" + f.Param()
		}
		_, path, nested := strings.Cut(f.Namespace(), ".")
		if !nested {
			path = f.Namespace()
		}
		invalid.Fields = append(invalid.Fields, InvalidField{Path: path, Rule: rule})
	}
	return Permanent(invalid)
}

func checkStruct(data any) error {
	switch reflect.Indirect(reflect.ValueOf(data)).Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return validation().Var(data, "dive")
	}
	return validation().Struct(data)
}

// checkValidation tries the tags of a payload type, since the validator panics
// on those it does not know.
func checkValidation(payload reflect.Type) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("validate tags of %v: %v", payload, fault)
		}
	}()
	t := payload
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("option Validate: payload %v is no struct", payload)
	}
	_ = validation().Struct(reflect.New(t).Interface()) // the zero value may well be invalid
	return nil
}
