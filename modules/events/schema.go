package events

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// jsonSchema is the part of JSON Schema 2020-12 that Go types need.
type jsonSchema struct {
	Ref                  string                 `json:"$ref,omitempty"`
	AnyOf                []*jsonSchema          `json:"anyOf,omitempty"`
	Title                string                 `json:"title,omitempty"`
	Type                 any                    `json:"type,omitempty"` // a name, or a list with "null"
	Format               string                 `json:"format,omitempty"`
	ContentEncoding      string                 `json:"contentEncoding,omitempty"`
	Enum                 []string               `json:"enum,omitempty"`
	Minimum              *float64               `json:"minimum,omitempty"`
	Maximum              *float64               `json:"maximum,omitempty"`
	MinLength            *int                   `json:"minLength,omitempty"`
	MaxLength            *int                   `json:"maxLength,omitempty"`
	Items                *jsonSchema            `json:"items,omitempty"`
	MinItems             *int                   `json:"minItems,omitempty"`
	MaxItems             *int                   `json:"maxItems,omitempty"`
	Properties           map[string]*jsonSchema `json:"properties,omitempty"`
	AdditionalProperties *jsonSchema            `json:"additionalProperties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	Defs                 map[string]*jsonSchema `json:"$defs,omitempty"`
}

const typeString = "string"

// schemaOf returns the JSON Schema of what encoding/json makes of a type. Types
// that marshal themselves may be anything, so their schema is empty.
func schemaOf(t reflect.Type) json.RawMessage {
	s := schemer{defs: make(map[string]*jsonSchema), names: make(map[reflect.Type]string)}
	root := s.of(t)
	if len(s.defs) > 0 {
		root.Defs = s.defs
	}
	text, err := json.Marshal(root)
	if err != nil { // a schema holds nothing that could fail
		return json.RawMessage("{}")
	}
	return text
}

// schemer collects named structs, which may refer to themselves.
type schemer struct {
	defs  map[string]*jsonSchema
	names map[reflect.Type]string
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

func (s *schemer) of(t reflect.Type) *jsonSchema {
	if t == timeType {
		return &jsonSchema{Type: typeString, Format: "date-time"}
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case t.Implements(marshalerType) || reflect.PointerTo(t).Implements(marshalerType):
		return &jsonSchema{}
	case t.Implements(textType) || reflect.PointerTo(t).Implements(textType):
		return &jsonSchema{Type: typeString}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &jsonSchema{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return &jsonSchema{Type: "integer"}
	case reflect.Float32, reflect.Float64:
		return &jsonSchema{Type: "number"}
	case reflect.String:
		return &jsonSchema{Type: typeString}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nullable(&jsonSchema{Type: typeString, ContentEncoding: "base64"})
		}
		return nullable(&jsonSchema{Type: "array", Items: s.of(t.Elem())})
	case reflect.Array:
		n := t.Len()
		return &jsonSchema{Type: "array", Items: s.of(t.Elem()), MinItems: &n, MaxItems: &n}
	case reflect.Map:
		return nullable(&jsonSchema{Type: "object", AdditionalProperties: s.of(t.Elem())})
	case reflect.Struct:
		return s.structOf(t)
	}
	return &jsonSchema{}
}

func nullable(s *jsonSchema) *jsonSchema {
	if s.Ref != "" {
		return &jsonSchema{AnyOf: []*jsonSchema{s, {Type: "null"}}}
	}
	if name, ok := s.Type.(string); ok {
		s.Type = []string{name, "null"}
	}
	return s
}

func (s *schemer) structOf(t reflect.Type) *jsonSchema {
	if t.Name() == "" {
		return s.fields(t)
	}
	name, known := s.names[t]
	if !known {
		name = strings.NewReplacer("/", "_", "[", "_", "]", "_").Replace(t.Name())
		for i := 2; s.defs[name] != nil; i++ { // the same name in another package
			name = t.Name() + strconv.Itoa(i)
		}
		s.names[t] = name
		s.defs[name] = new(jsonSchema)
		*s.defs[name] = *s.fields(t)
		s.defs[name].Title = t.String()
	}
	return &jsonSchema{Ref: "#/$defs/" + name}
}

func (s *schemer) fields(t reflect.Type) *jsonSchema {
	object := &jsonSchema{Type: "object", Properties: make(map[string]*jsonSchema)}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" && options == "" || !field.IsExported() && !field.Anonymous {
			continue
		}
		if embedded := indirect(field.Type); field.Anonymous && name == "" && embedded.Kind() == reflect.Struct {
			inner := s.fields(embedded)
			for key, property := range inner.Properties {
				if object.Properties[key] == nil {
					object.Properties[key] = property
				}
			}
			object.Required = append(object.Required, inner.Required...)
			continue
		}
		if name == "" {
			name = field.Name
		}
		property := s.of(field.Type)
		if hasOption(options, "string") {
			property = &jsonSchema{Type: typeString}
		}
		required := property.constrain(field.Tag.Get("validate"))
		object.Properties[name] = property
		optional := hasOption(options, "omitempty") || hasOption(options, "omitzero") || field.Type.Kind() == reflect.Pointer
		if required || !optional {
			object.Required = append(object.Required, name)
		}
	}
	return object
}

// constrain adds what JSON Schema can say of a validate tag, and reports
// whether the tag requires the field.
func (s *jsonSchema) constrain(tag string) (required bool) {
	for rule := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			required = true
		case "email", "uuid", "uri", "ipv4", "ipv6", "hostname":
			s.Format = name
		case "url":
			s.Format = "uri"
		case "oneof":
			if s.Type == typeString {
				s.Enum = strings.Fields(value)
			}
		case "min", "gte":
			s.bound(value, &s.Minimum, &s.MinLength, &s.MinItems)
		case "max", "lte":
			s.bound(value, &s.Maximum, &s.MaxLength, &s.MaxItems)
		case "dive": // what follows is about the elements
			return required
		}
	}
	return required
}

// bound sets the limit that fits the type: of a number, a length, a count.
func (s *jsonSchema) bound(value string, number **float64, length, count **int) {
	limit, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return
	}
	whole := int(limit)
	kind, _ := s.Type.(string)
	if list, ok := s.Type.([]string); ok {
		kind = list[0]
	}
	switch kind {
	case "integer", "number":
		*number = &limit
	case typeString:
		*length = &whole
	case "array":
		*count = &whole
	}
}

func hasOption(options, name string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if option == name {
			return true
		}
	}
	return false
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
