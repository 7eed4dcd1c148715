package events

import "slices"

// TestRoutes routes without a bus.
type TestRoutes struct{ routes []*route }

func NewTestRoutes() *TestRoutes { return new(TestRoutes) }

func (r *TestRoutes) Add(name, pattern string, order int) {
	r.routes = append(r.routes, &route{name: name, pattern: pattern, order: order})
}

func (r *TestRoutes) Match(name string) []string {
	found := newRouter(slices.Clone(r.routes)).match(name).routes
	names := make([]string, len(found))
	for i, rt := range found {
		names[i] = rt.name
	}
	return names
}

// Clone and ScanObject are tested as the parts they are.
func Clone[T any](data T) T { return clone(data) }

// Text returns what a JSON string says.
func Text(value []byte) (string, bool) { return text(value) }

func ScanObject(text []byte, depth int, field func(key, value []byte)) (bool, error) {
	return scanObject(text, depth, field)
}
