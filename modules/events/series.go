package events

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

func eventLabel(name string, known bool) string {
	if known {
		return name
	}
	return otherEvent
}

// series is one combination of labels. All of them are registered names or
// constants, so there are few.
type series struct {
	system, destination, event, listener string
	class                                Class
}

func (s series) attributes() []attribute.KeyValue {
	var kvs []attribute.KeyValue
	for _, kv := range []attribute.KeyValue{
		keySystem.String(s.system), keyDestination.String(s.destination), keyEvent.String(s.event),
		keyListener.String(s.listener), keyErrorType.String(string(s.class)),
	} {
		if kv.Value.AsString() != "" {
			kvs = append(kvs, kv)
		}
	}
	if s.listener == "" {
		kvs = append(kvs, keyOperation.String("process"))
	}
	return kvs
}

// attributeSets keeps the options of each series: making them anew costs a
// microsecond and four allocations per measurement, even with nothing
// configured. Reading takes no lock.
type attributeSets struct {
	mu   sync.Mutex
	made atomic.Pointer[map[series]*seriesOptions]
}

type seriesOptions struct {
	record []metric.RecordOption
	start  trace.SpanStartOption
}

func (a *attributeSets) record(s series) []metric.RecordOption { return a.of(s).record }
func (a *attributeSets) start(s series) trace.SpanStartOption  { return a.of(s).start }

func (a *attributeSets) of(s series) *seriesOptions {
	if made := a.made.Load(); made != nil {
		if o := (*made)[s]; o != nil {
			return o
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	grown := make(map[series]*seriesOptions)
	if made := a.made.Load(); made != nil {
		maps.Copy(grown, *made)
	}
	kvs := s.attributes()
	o := &seriesOptions{
		record: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(kvs...))},
		start:  trace.WithAttributes(kvs...),
	}
	grown[s] = o
	a.made.Store(&grown)
	return o
}
