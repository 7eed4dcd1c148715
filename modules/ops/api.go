package ops

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	streamEvery    = time.Second
	streamPatience = 10 * time.Second // for a reader that is slow
	maxStreams     = 32
	doctorTimeout  = 20 * time.Second
	doctorAge      = 10 * time.Second
	sqlTimeout     = 5 * time.Second
)

func (s *Server) serveOverview(w http.ResponseWriter, _ *http.Request) {
	picture, err := s.picture()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	send(w, http.StatusOK, picture)
}

// serveStream repeats the overview as server-sent events, until the reader leaves or the server stops.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open already: ask for api/overview instead", maxStreams))
		return
	}
	defer s.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx holds events back otherwise
	out := http.NewResponseController(w)
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	for {
		picture, err := s.picture()
		if err != nil {
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(streamPatience)) // unknown to some writers, which have none
		if _, err := fmt.Fprintf(w, "data: %s\n\n", picture); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.stopping:
			return
		}
	}
}

func (s *Server) serveFailures(w http.ResponseWriter, _ *http.Request) {
	all, total := s.runs.failures.latest()
	answer(w, struct {
		Total  int64     `json:"total"`
		Kept   int       `json:"kept"`
		Latest []failure `json:"latest"`
	}{total, s.cfg.Failures, all})
}

func (s *Server) serveContract(w http.ResponseWriter, _ *http.Request) {
	if s.src.Bus == nil {
		refuse(w, http.StatusNotFound, "the app has no event bus")
		return
	}
	answer(w, s.src.Bus.Contract())
}

// doctor keeps its last report, since each costs requests.
type doctor struct {
	mu     sync.Mutex
	at     time.Time
	report sqs.Report
}

type findingView struct {
	Queue    string `json:"queue"`
	Severity string `json:"severity"`
	Problem  string `json:"problem"`
	Mend     string `json:"mend"`
}

func (s *Server) serveDoctor(w http.ResponseWriter, r *http.Request) {
	if s.src.Consumer == nil {
		refuse(w, http.StatusNotFound, "the app consumes no queue")
		return
	}
	ctx, cancel := s.bounded(r, doctorTimeout)
	defer cancel()
	d := &s.doctor
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > doctorAge {
		report, err := s.src.Consumer.Diagnose(ctx)
		if err != nil {
			refuse(w, http.StatusBadGateway, err.Error())
			return
		}
		d.report, d.at = report, time.Now()
	}
	findings := []findingView{}
	for _, f := range d.report {
		findings = append(findings, findingView{f.Queue, string(f.Severity), f.Problem, f.Mend})
	}
	answer(w, struct {
		At       time.Time     `json:"at"`
		Findings []findingView `json:"findings"`
	}{d.at, findings})
}

type parkedView struct {
	ID        int64     `json:"id,string"` // JavaScript would round it
	Event     string    `json:"event"`
	EventID   string    `json:"eventId"`
	Key       string    `json:"key"`
	Faults    int       `json:"faults"`
	LastError string    `json:"lastError"`
	At        time.Time `json:"at"`
}

func (s *Server) serveParked(w http.ResponseWriter, r *http.Request) {
	if s.src.Outbox == nil {
		refuse(w, http.StatusNotFound, "the app has no outbox")
		return
	}
	ctx, cancel := s.bounded(r, sqlTimeout)
	defer cancel()
	list, err := s.src.Outbox.Parked(ctx, 0, maxWork)
	if err != nil {
		refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	views := []parkedView{}
	for _, p := range list {
		views = append(views, parkedView{p.ID, p.Event, p.EventID, p.Key, p.Faults, clip(p.LastError, maxError), p.At})
	}
	answer(w, map[string]any{"parked": views})
}
