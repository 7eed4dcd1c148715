package ops

import (
	"cmp"
	"slices"
	"time"

	"github.com/fxpond/fxpond/modules/sqs"
)

// maxWork is how many pieces of work are listed, those that take longest first.
const maxWork = 100

// workView is what goes on now.
type workView struct {
	Messages      int         `json:"messages"` // received and not settled
	Runs          int         `json:"runs"`     // listeners at work
	OldestSeconds float64     `json:"oldestSeconds"`
	Items         []workPiece `json:"items"`
}

// workPiece is a message in flight, or an event of this process whose listeners run.
type workPiece struct {
	Queue        string    `json:"queue,omitempty"`
	MessageID    string    `json:"messageId,omitempty"`
	Group        string    `json:"group,omitempty"`
	Receives     int       `json:"receives,omitempty"`
	Event        string    `json:"event,omitempty"` // once its listeners run
	EventID      string    `json:"eventId,omitempty"`
	AgeSeconds   float64   `json:"ageSeconds"`
	LeaseSeconds *float64  `json:"leaseSeconds,omitempty"` // until it counts as lost, unless it is renewed
	LeaseOf      float64   `json:"leaseOf,omitempty"`      // seconds that each renewal adds
	LeaseLost    bool      `json:"leaseLost,omitempty"`
	Started      bool      `json:"started"`
	Listeners    []workRun `json:"listeners"`
}

type workRun struct {
	Listener string  `json:"listener"`
	Seconds  float64 `json:"seconds"`
}

// board collects the pieces of work.
type board struct {
	now      time.Time
	items    []workPiece
	messages map[messageKey]int // places in items
	events   map[string]int     // the same, of events of this process, by id
}

type messageKey struct{ queue, id string }

// workView joins the messages in flight with the listeners at work on them.
func (s *Server) workView() workView {
	b := board{now: time.Now(), items: []workPiece{}, messages: map[messageKey]int{}, events: map[string]int{}}
	if s.src.Consumer != nil {
		for _, d := range s.src.Consumer.InFlight() {
			left := seconds(d.Deadline.Sub(b.now))
			p := b.addMessage(d)
			p.LeaseSeconds, p.LeaseOf = &left, seconds(d.Visibility)
		}
	}
	v := workView{Messages: len(b.items)}
	for _, l := range s.runs.all() {
		for _, r := range l.now() {
			took := seconds(b.now.Sub(r.began))
			p := b.pieceOf(&r)
			p.Event, p.EventID, p.AgeSeconds = clip(r.event, 200), clip(r.id, 200), max(p.AgeSeconds, took)
			p.Listeners = append(p.Listeners, workRun{l.name, took})
			v.Runs++
		}
	}
	slices.SortStableFunc(b.items, func(a, b workPiece) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) })
	if len(b.items) > 0 {
		v.OldestSeconds = b.items[0].AgeSeconds
	}
	v.Items = b.items[:min(len(b.items), maxWork)]
	return v
}

func (b *board) addMessage(d sqs.Delivery) *workPiece {
	b.messages[messageKey{d.Queue, d.MessageID}] = len(b.items)
	b.items = append(b.items, workPiece{
		Queue: d.Queue, MessageID: d.MessageID, Group: d.Group, Receives: d.Receives, Started: d.Started,
		AgeSeconds: seconds(b.now.Sub(d.ReceivedAt)), Listeners: []workRun{},
	})
	return &b.items[len(b.items)-1]
}

// pieceOf finds what a listener works on, or adds it.
func (b *board) pieceOf(r *run) *workPiece {
	if d, ok := sqs.DeliveryFrom(r.ctx); ok {
		if at, known := b.messages[messageKey{d.Queue, d.MessageID}]; known {
			return &b.items[at]
		}
		p := b.addMessage(d) // received this moment, or the listener outlives it, as it may if the lease is lost
		p.LeaseLost = d.Lost
		return p
	}
	if at, known := b.events[r.id]; known {
		return &b.items[at]
	}
	b.events[r.id] = len(b.items)
	b.items = append(b.items, workPiece{Started: true, Listeners: []workRun{}})
	return &b.items[len(b.items)-1]
}

// now copies what runs.
func (l *listenerRuns) now() []run {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]run, 0, l.busy)
	for r := l.first; r != nil; r = r.next {
		all = append(all, *r)
	}
	return all
}

// listenerView is one listener of the bus.
type listenerView struct {
	Name       string        `json:"name"`
	Pattern    string        `json:"pattern"`
	Runs       int64         `json:"runs"`
	Failures   int64         `json:"failures"`
	Running    int           `json:"running"`
	Recent     uint64        `json:"recent"` // runs that the durations are of: those of the last five minutes
	P50Seconds float64       `json:"p50Seconds"`
	P99Seconds float64       `json:"p99Seconds"`
	MaxSeconds float64       `json:"maxSeconds"`
	LastFailed *listenerFail `json:"lastFailed,omitempty"`
}

type listenerFail struct {
	At    time.Time `json:"at"`
	Class string    `json:"class"`
	Error string    `json:"error"`
}

func (s *Server) listenerViews() []listenerView {
	views := []listenerView{}
	if s.src.Bus == nil {
		return views
	}
	now := time.Now()
	for _, listener := range s.src.Bus.Listeners() {
		v := listenerView{Name: listener.Name(), Pattern: listener.Pattern()}
		l := s.runs.of(v.Name)
		l.mu.Lock()
		v.Runs, v.Failures, v.Running = l.done, l.failed, l.busy
		if !l.lastFailed.IsZero() {
			v.LastFailed = &listenerFail{l.lastFailed, l.lastClass, l.lastError}
		}
		h := l.lately(now)
		l.mu.Unlock()
		v.Recent, v.P50Seconds, v.P99Seconds, v.MaxSeconds = h.count, seconds(h.quantile(0.50)), seconds(h.quantile(0.99)), seconds(h.longest)
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b listenerView) int { return cmp.Compare(a.Name, b.Name) })
	return views
}
