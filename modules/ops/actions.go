package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	actionTimeout = 30 * time.Second
	maxRequest    = 1 << 20
	maxPeek       = 50
)

// deadLetters are the attributes that are shown without Config.ShowBodies: ours, which hold no payload.
var ownAttributes = []string{"event", "event_id", sqs.AttributeReason, sqs.AttributeSource}

type deadLetter struct {
	ID         string            `json:"id"`
	Event      string            `json:"event"` // "" if the message does not tell
	EventID    string            `json:"eventId"`
	Reason     string            `json:"reason"`
	Source     string            `json:"source"` // the queue it came from, "" if unknown
	Group      string            `json:"group,omitempty"`
	Receives   int               `json:"receives"`
	SentAt     time.Time         `json:"sentAt"`
	Bytes      int               `json:"bytes"`
	Body       *string           `json:"body,omitempty"` // these two if bodies are shown
	Attributes map[string]string `json:"attributes,omitempty"`
}

// queue finds the consumed queue that the path names: the page touches no others.
func (s *Server) queue(w http.ResponseWriter, r *http.Request) (sqs.QueueStats, bool) {
	name := r.PathValue("queue")
	if s.src.Consumer != nil {
		for _, q := range s.src.Consumer.Stats().Queues {
			if q.Name == name {
				return q, true
			}
		}
	}
	refuse(w, http.StatusNotFound, fmt.Sprintf("queue %q is not consumed here", clip(name, 80)))
	return sqs.QueueStats{}, false
}

// deadLetters is queue for those with a dead-letter queue, and with Admin to work on it.
func (s *Server) deadLetters(w http.ResponseWriter, r *http.Request) (sqs.QueueStats, bool) {
	q, ok := s.queue(w, r)
	switch {
	case !ok:
		return q, false
	case s.src.Admin == nil:
		refuse(w, http.StatusNotFound, "the app has no *sqs.Admin")
		return q, false
	case q.DeadLetter == "":
		refuse(w, http.StatusNotFound, fmt.Sprintf("queue %q has no dead-letter queue: give it one with a redrive policy", q.Name))
		return q, false
	}
	return q, true
}

// read takes the request's JSON; an empty body leaves into as it is.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if r.ContentLength == 0 {
		return true
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "body: "+err.Error())
		return false
	}
	return true
}

// done logs what an operator did and answers how it went.
func (s *Server) done(w http.ResponseWriter, r *http.Request, what string, err error, fields ...zap.Field) {
	fields = append(fields, zap.String("action", what), zap.String("remote", r.RemoteAddr), zap.Error(err))
	s.log.Warn("operator acted", fields...)
	switch {
	case err == nil:
		s.look.expire() // who acted wants to see it
		answer(w, map[string]string{"done": what})
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, http.StatusGatewayTimeout, fmt.Sprintf("not done within %v, in parts perhaps: %v", actionTimeout, err))
	default:
		refuse(w, http.StatusBadGateway, err.Error())
	}
}

func (s *Server) setPaused(paused bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var names []string
		which := "all queues"
		if r.PathValue("queue") != "" {
			q, ok := s.queue(w, r)
			if !ok {
				return
			}
			names, which = []string{q.Name}, q.Name
		} else if s.src.Consumer == nil {
			refuse(w, http.StatusNotFound, "the app consumes no queue")
			return
		}
		if paused {
			s.done(w, r, "paused "+which, s.src.Consumer.Pause(names...), zap.Strings("queues", names))
			return
		}
		s.done(w, r, "resumed "+which, s.src.Consumer.Resume(names...), zap.Strings("queues", names))
	}
}

// peek shows a sample of dead letters. It is a POST because it counts as a receive of each.
func (s *Server) peek(w http.ResponseWriter, r *http.Request) {
	q, ok := s.deadLetters(w, r)
	if !ok {
		return
	}
	in := struct {
		N int `json:"n"`
	}{10}
	if !read(w, r, &in) {
		return
	}
	if in.N < 1 || in.N > maxPeek {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("n: %d: ask for 1 to %d messages", in.N, maxPeek))
		return
	}
	ctx, cancel := s.bounded(r, actionTimeout)
	defer cancel()
	found, err := s.src.Admin.Peek(ctx, q.DeadLetter, in.N)
	if err != nil {
		refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	sample := []deadLetter{}
	for _, m := range found {
		sample = append(sample, s.deadLetter(m))
	}
	answer(w, struct {
		Queue  string       `json:"queue"`
		At     time.Time    `json:"at"`
		Sample []deadLetter `json:"sample"`
	}{q.DeadLetter, time.Now(), sample})
}

func (s *Server) deadLetter(m sqs.Peeked) deadLetter {
	d := deadLetter{
		ID: m.ID, Event: m.Attributes["event"], EventID: m.Attributes["event_id"], Reason: m.Attributes[sqs.AttributeReason],
		Source: m.Source, Group: m.Group, Receives: m.Receives, SentAt: m.SentAt, Bytes: len(m.Body), Attributes: map[string]string{},
	}
	if d.Event == "" && s.src.Decoder != nil {
		all, err := s.src.Decoder.Decode(events.Message{ID: m.ID, Body: []byte(m.Body), Attributes: m.Attributes, SentAt: m.SentAt})
		if err == nil && len(all) > 0 {
			d.Event, d.EventID = clip(all[0].Name, 200), clip(all[0].ID, 200)
		}
	}
	if s.cfg.ShowBodies {
		d.Body, d.Attributes = &m.Body, m.Attributes
		return d
	}
	for _, name := range ownAttributes {
		if v, ok := m.Attributes[name]; ok {
			d.Attributes[name] = v
		}
	}
	return d
}

// redrive moves all dead letters with a task of SQS's own, or those with the given ids.
func (s *Server) redrive(w http.ResponseWriter, r *http.Request) {
	q, ok := s.deadLetters(w, r)
	if !ok {
		return
	}
	var in struct {
		IDs []string `json:"ids"`
		All bool     `json:"all"`
		To  string   `json:"to"` // with all: this queue, "" for where each came from
	}
	if !read(w, r, &in) {
		return
	}
	ctx, cancel := s.bounded(r, actionTimeout)
	defer cancel()
	switch {
	case in.All == (len(in.IDs) > 0):
		refuse(w, http.StatusBadRequest, `say either "all": true or the "ids" of messages`)
	case in.To != "" && in.To != q.Name:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("to: %q: name %q, or leave it empty to send each message where it came from", clip(in.To, 80), q.Name))
	case in.All:
		_, err := s.src.Admin.RedriveAll(ctx, q.DeadLetter, in.To)
		s.done(w, r, "redrive of all dead letters begun", err, zap.String("queue", q.Name), zap.String("to", in.To))
	default:
		err := s.src.Admin.Redrive(ctx, q.DeadLetter, in.IDs...)
		s.done(w, r, "redrove "+count(len(in.IDs), "message"), err, zap.String("queue", q.Name), zap.Strings("ids", in.IDs))
	}
}

func (s *Server) purge(w http.ResponseWriter, r *http.Request) {
	q, ok := s.deadLetters(w, r)
	if !ok {
		return
	}
	var in struct {
		Confirm string `json:"confirm"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Confirm != q.DeadLetter {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("confirm: it deletes every message of %q for ever: repeat that name", q.DeadLetter))
		return
	}
	ctx, cancel := s.bounded(r, actionTimeout)
	defer cancel()
	s.done(w, r, "purged "+q.DeadLetter, s.src.Admin.Purge(ctx, q.DeadLetter), zap.String("queue", q.DeadLetter))
}

func (s *Server) requeue(w http.ResponseWriter, r *http.Request) {
	if s.src.Outbox == nil {
		refuse(w, http.StatusNotFound, "the app has no outbox")
		return
	}
	var in struct {
		IDs []string `json:"ids"`
	}
	if !read(w, r, &in) {
		return
	}
	ids := make([]int64, len(in.IDs))
	for i, text := range in.IDs {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("ids: %q is not the id of a parked event", clip(text, 80)))
			return
		}
		ids[i] = id
	}
	ctx, cancel := s.bounded(r, sqlTimeout)
	defer cancel()
	n, err := s.src.Outbox.Requeue(ctx, ids...)
	s.done(w, r, "requeued "+count(int(n), "event"), err, zap.Int64s("ids", ids))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
