package ops

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// unreadyAfter without an answer of SQS, beyond any long poll and its grace, /readyz fails.
	unreadyAfter = time.Minute
	// stuckAfter without a receive beginning or ending, beyond any that there is, /livez fails.
	stuckAfter = 90 * time.Second
)

// health is the answer to a probe.
type health struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
}

// check is one reason for it.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
}

func (h *health) add(name string, ok bool, says string, args ...any) {
	h.OK = h.OK && ok
	h.Checks = append(h.Checks, check{Name: name, OK: ok, Says: fmt.Sprintf(says, args...)})
}

// ask runs the app's probes of a kind, at the same time, and answers with them.
func (s *Server) ask(kind Kind) health {
	h := s.own(kind)
	runs := make([]*probeRun, len(s.probes))
	for i, p := range s.probes {
		if p.Kind == kind {
			runs[i] = p.start(s)
		}
	}
	for i, p := range s.probes {
		if p.Kind == kind {
			h.addError(p.Name, p.await(runs[i]))
		}
	}
	return h
}

// verdict is ask without running a probe: with what they last said.
func (s *Server) verdict(kind Kind) health {
	h := s.own(kind)
	for _, p := range s.probes {
		if p.Kind == kind {
			h.addError(p.Name, p.lately())
		}
	}
	return h
}

func (h *health) addError(name string, err error) {
	if err != nil {
		h.add(name, false, "%s", err.Error())
		return
	}
	h.add(name, true, "ok")
}

// own is what the server knows by itself.
func (s *Server) own(kind Kind) health {
	h := health{OK: true, Checks: []check{}}
	if kind == Liveness {
		s.addLiveness(&h)
	} else {
		s.addReadiness(&h)
	}
	return h
}

func (s *Server) addReadiness(h *health) {
	switch s.phase.Load() {
	case starting:
		h.add("app", false, "starting")
	case draining:
		h.add("app", false, "draining")
	default:
		h.add("app", true, "started")
	}
	if s.src.Consumer == nil {
		return
	}
	for _, q := range s.src.Consumer.Stats().Queues {
		name := "queue " + q.Name
		switch {
		case q.Paused:
			h.add(name, true, "paused")
		case q.Unanswered > unreadyAfter:
			h.add(name, false, "SQS has not answered a receive for %v", q.Unanswered.Round(time.Second))
		default:
			h.add(name, true, "polled")
		}
	}
}

func (s *Server) addLiveness(h *health) {
	if s.src.Consumer != nil {
		for _, q := range s.src.Consumer.Stats().Queues {
			if q.Stuck > stuckAfter {
				h.add("polls of "+q.Name, false, "no receive has begun or ended for %v", q.Stuck.Round(time.Second))
			} else {
				h.add("polls of "+q.Name, true, "moving")
			}
		}
	}
	if s.src.Pool == nil || s.cfg.WedgedAfter < 0 {
		return
	}
	stats := s.src.Pool.Stats()
	still := s.pulse.still(stats.Completed + stats.Failed + stats.Abandoned)
	if stats.OldestWait > s.cfg.WedgedAfter && still > s.cfg.WedgedAfter {
		h.add("pool", false, "a task has waited for %v and none has ended for %v", stats.OldestWait.Round(time.Second), still.Round(time.Second))
		return
	}
	h.add("pool", true, "moving")
}

// pulse tells how long a counter has stood still, as far as was looked.
type pulse struct {
	mu    sync.Mutex
	count uint64
	since time.Time // when it was first seen at count
}

func (p *pulse) still(count uint64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.since.IsZero() || count != p.count {
		p.count, p.since = count, now
	}
	return now.Sub(p.since)
}

// serveProbe answers in plain text: "ok", or what is wrong, a line each.
func (s *Server) serveProbe(kinds ...Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ok := true
		answers := map[Kind]health{}
		var wrong []string
		for _, kind := range kinds {
			h := s.ask(kind)
			ok, answers[kind] = ok && h.OK, h
			for _, c := range h.Checks {
				if !c.OK {
					wrong = append(wrong, c.Name+": "+c.Says)
				}
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		code := http.StatusOK
		if !ok {
			code = http.StatusServiceUnavailable
		}
		if r.URL.Query().Has("verbose") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(struct {
				OK      bool            `json:"ok"`
				App     appView         `json:"app"`
				Answers map[Kind]health `json:"answers"`
			}{ok, s.appView(), answers})
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		if ok {
			fmt.Fprintln(w, "ok")
			return
		}
		fmt.Fprintln(w, strings.Join(wrong, "\n"))
	}
}
