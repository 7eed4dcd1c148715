package ops

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
)

// What is kept of one failure, in bytes.
const (
	maxError = 4 << 10
	maxStack = 8 << 10
	maxBody  = 16 << 10
)

// failure is one run of a listener that failed.
type failure struct {
	Seq       int64     `json:"seq"` // counts all failures since the start
	At        time.Time `json:"at"`
	Listener  string    `json:"listener"`
	Event     string    `json:"event"`
	EventID   string    `json:"eventId"`
	Class     string    `json:"class"`
	Error     string    `json:"error"`
	Stack     string    `json:"stack,omitempty"` // of a panic
	Seconds   float64   `json:"seconds"`
	Queue     string    `json:"queue,omitempty"` // these three of events from SQS
	MessageID string    `json:"messageId,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	TraceID   string    `json:"traceId,omitempty"`
	Payload   *string   `json:"payload,omitempty"` // if bodies are shown
}

// failures is a ring of the latest ones.
type failures struct {
	bodies bool

	mu    sync.Mutex
	ring  []failure
	total int64
}

func newFailures(n int, bodies bool) *failures {
	return &failures{ring: make([]failure, n), bodies: bodies}
}

func (fs *failures) add(ctx context.Context, listener string, e *events.Any, class events.Class, err error, took time.Duration) {
	f := failure{
		At: time.Now(), Listener: listener, Event: clip(e.Name, 200), EventID: clip(e.ID, 200), Class: string(class),
		Error: "the listener called runtime.Goexit", Seconds: seconds(took),
	}
	if err != nil {
		f.Error = clip(err.Error(), maxError)
	}
	if fault, ok := errors.AsType[*goroutine.PanicError](err); ok {
		f.Stack = clip(string(fault.Stack), maxStack)
	}
	if d, ok := sqs.DeliveryFrom(ctx); ok {
		f.Queue, f.MessageID, f.Attempt = d.Queue, d.MessageID, d.Receives
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		f.TraceID = span.TraceID().String()
	}
	if fs.bodies {
		if text, err := json.Marshal(e.Data); err == nil {
			body := clip(string(text), maxBody)
			f.Payload = &body
		}
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.total++
	if len(fs.ring) > 0 {
		f.Seq = fs.total
		fs.ring[(fs.total-1)%int64(len(fs.ring))] = f
	}
}

// latest lists them, the newest first.
func (fs *failures) latest() (all []failure, total int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := min(fs.total, int64(len(fs.ring)))
	all = make([]failure, 0, n)
	for i := range n {
		all = append(all, fs.ring[(fs.total-1-i)%int64(len(fs.ring))])
	}
	return all, fs.total
}

func (fs *failures) count() int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.total
}

// clip cuts text to n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
