package ops

import (
	"encoding/json"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/sqs"
)

// shotAge is how old a picture of the app may be, so that many who look cost as much as one.
const shotAge = 500 * time.Millisecond

// overview is the picture of the app that the page shows, and the stream repeats.
type overview struct {
	App       appView        `json:"app"`
	At        time.Time      `json:"at"`
	Live      health         `json:"live"`
	Ready     health         `json:"ready"`
	Writable  bool           `json:"writable"`
	Bodies    bool           `json:"bodies"`
	Queues    []queueView    `json:"queues"`
	Pool      *poolView      `json:"pool,omitempty"`
	Listeners []listenerView `json:"listeners"`
	Work      workView       `json:"work"`
	Failures  int64          `json:"failures"` // since the start
	Sent      []sentView     `json:"sent,omitempty"`
	DB        *dbView        `json:"db,omitempty"`
	Outbox    *outboxView    `json:"outbox,omitempty"`
}

type appView struct {
	Name          string    `json:"name"`
	Version       string    `json:"version"`
	Go            string    `json:"go"`
	Host          string    `json:"host"`
	PID           int       `json:"pid"`
	State         string    `json:"state"` // starting, serving, draining
	StartedAt     time.Time `json:"startedAt"`
	UptimeSeconds float64   `json:"uptimeSeconds"`
}

type queueView struct {
	Name       string     `json:"name"`
	DeadLetter string     `json:"deadLetter,omitempty"` // name of its dead-letter queue
	Paused     bool       `json:"paused"`
	Depth      *depthView `json:"depth,omitempty"` // absent before the first look, and when looking is off
	DepthError string     `json:"depthError,omitempty"`

	Received     int64 `json:"received"`
	Acked        int64 `json:"acked"` // dead-lettered ones and duplicates among them
	Retried      int64 `json:"retried"`
	DeadLettered int64 `json:"deadLettered"`
	Released     int64 `json:"released"`
	Duplicates   int64 `json:"duplicates"`
	Unhandled    int64 `json:"unhandled"`
	LeasesLost   int64 `json:"leasesLost"`
	SettleFailed int64 `json:"settleFailed"`

	Waiting   int `json:"waiting"`
	Running   int `json:"running"`
	Unsettled int `json:"unsettled"`
	Polls     int `json:"polls"`

	ReceivedPerSecond     float64 `json:"receivedPerSecond"`
	AckedPerSecond        float64 `json:"ackedPerSecond"`
	RetriedPerSecond      float64 `json:"retriedPerSecond"`
	DeadLetteredPerSecond float64 `json:"deadLetteredPerSecond"`

	Lately latelyView `json:"lately"`

	PaceSeconds        float64 `json:"paceSeconds"`
	WorkersBusy        float64 `json:"workersBusy"` // on average since the last look
	LastPollSeconds    float64 `json:"lastPollSeconds"`
	UnansweredSeconds  float64 `json:"unansweredSeconds"`
	RequestsPerMessage float64 `json:"requestsPerMessage"`
	DollarsPerMillion  float64 `json:"dollarsPerMillion"`
}

// latelyView is what went wrong in the last quarter of an hour, or since the start if that was later.
type latelyView struct {
	Unhandled    int64 `json:"unhandled"`
	LeasesLost   int64 `json:"leasesLost"`
	SettleFailed int64 `json:"settleFailed"`
}

type depthView struct {
	Visible     int     `json:"visible"`
	InFlight    int     `json:"inFlight"`
	Delayed     int     `json:"delayed"`
	DeadLetters int     `json:"deadLetters"`
	AgeSeconds  float64 `json:"ageSeconds"` // of this answer
}

type poolView struct {
	Limit             int       `json:"limit"`
	Active            int       `json:"active"`
	Reserved          int       `json:"reserved"`
	Workers           int       `json:"workers"`
	Waiting           int       `json:"waiting"`
	Blocked           int       `json:"blocked"`
	OldestWaitSeconds float64   `json:"oldestWaitSeconds"`
	Completed         uint64    `json:"completed"`
	Failed            uint64    `json:"failed"`
	Rejected          uint64    `json:"rejected"`
	Panicked          uint64    `json:"panicked"`
	Stuck             uint64    `json:"stuck"`
	EndedPerSecond    float64   `json:"endedPerSecond"`
	P50Seconds        float64   `json:"p50Seconds"`
	P99Seconds        float64   `json:"p99Seconds"`
	ScaleUps          uint64    `json:"scaleUps"`
	ScaleDowns        uint64    `json:"scaleDowns"`
	LastScale         *scaleHop `json:"lastScale,omitempty"`
}

type scaleHop struct {
	From   int       `json:"from"`
	To     int       `json:"to"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

type sentView struct {
	To                 string  `json:"to"`
	Sent               int64   `json:"sent"`
	Failed             int64   `json:"failed"`
	Retried            int64   `json:"retried"`
	Waiting            int     `json:"waiting"`
	InFlight           int     `json:"inFlight"`
	RequestsPerMessage float64 `json:"requestsPerMessage"`
}

type dbView struct {
	PingSeconds float64 `json:"pingSeconds"`
	Error       string  `json:"error,omitempty"`
	Finds       int64   `json:"finds"`
	Queries     int64   `json:"queries"`
	Slots       int     `json:"slots"`
	Busy        int     `json:"busy"`
}

type outboxView struct {
	Pending    int     `json:"pending"`
	Parked     int     `json:"parked"`
	LagSeconds float64 `json:"lagSeconds"`
	Error      string  `json:"error,omitempty"`
}

// shot is the latest picture as JSON.
type shot struct {
	mu   sync.Mutex
	at   time.Time
	json []byte
}

// picture answers the overview as JSON, at most shotAge old.
func (s *Server) picture() ([]byte, error) {
	s.shot.mu.Lock()
	defer s.shot.mu.Unlock()
	if s.shot.json != nil && time.Since(s.shot.at) < shotAge {
		return s.shot.json, nil
	}
	text, err := json.Marshal(s.overview())
	if err != nil {
		return nil, err
	}
	s.shot.json, s.shot.at = text, time.Now()
	return text, nil
}

func (s *Server) overview() overview {
	now := s.history.now()
	then, first := s.history.before(now.at, rateWindow), s.history.before(now.at, sampleCount*sampleEvery)
	s.look.renew() // the next picture has it
	seen := s.look.latest()
	o := overview{
		App: s.appView(), At: now.at, Live: s.verdict(Liveness), Ready: s.verdict(Readiness),
		Writable: s.cfg.Writable, Bodies: s.cfg.ShowBodies,
		Queues: []queueView{}, Listeners: s.listenerViews(), Work: s.workView(), Failures: s.runs.failures.count(),
	}
	for i, q := range now.queues {
		before := q
		if i < len(then.queues) {
			before = then.queues[i]
		}
		v := newQueueView(q, before, now.at.Sub(then.at), seen, now.at)
		if i < len(first.queues) {
			f := first.queues[i]
			v.Lately = latelyView{q.Unhandled - f.Unhandled, q.LeasesLost - f.LeasesLost, q.SettleFailed - f.SettleFailed}
		}
		o.Queues = append(o.Queues, v)
	}
	if s.src.Pool != nil {
		o.Pool = s.poolView(now, then)
	}
	if s.src.Publisher != nil {
		for _, p := range s.src.Publisher.Stats() {
			o.Sent = append(o.Sent, sentView{p.To, p.Sent, p.Failed, p.Retried, p.Waiting, p.InFlight, round(p.RequestsPerMessage())})
		}
	}
	if s.src.DB != nil {
		stats := s.src.DB.Stats()
		o.DB = &dbView{Finds: stats.Finds, Queries: stats.Queries, Slots: stats.Slots, Busy: stats.Busy}
		if seen.db != nil {
			o.DB.PingSeconds, o.DB.Error = seconds(seen.db.took), text(seen.db.err)
		}
	}
	if out := seen.outbox; out != nil {
		o.Outbox = &outboxView{out.Pending, out.Parked, seconds(out.Lag), text(out.err)}
	}
	return o
}

func newQueueView(q, before sqs.QueueStats, took time.Duration, seen view, now time.Time) queueView {
	v := queueView{
		Name: q.Name, DeadLetter: q.DeadLetter, Paused: q.Paused,
		Received: q.Received, Acked: q.Acked, Retried: q.Retried, DeadLettered: q.DeadLettered, Released: q.Released,
		Duplicates: q.Duplicates, Unhandled: q.Unhandled, LeasesLost: q.LeasesLost, SettleFailed: q.SettleFailed,
		Waiting: q.Waiting, Running: q.Running, Unsettled: q.Unsettled, Polls: q.Polls,
		ReceivedPerSecond:     round(rate(q.Received, before.Received, took)),
		AckedPerSecond:        round(rate(q.Acked, before.Acked, took)),
		RetriedPerSecond:      round(rate(q.Retried, before.Retried, took)),
		DeadLetteredPerSecond: round(rate(q.DeadLettered, before.DeadLettered, took)),
		PaceSeconds:           seconds(q.Pace), WorkersBusy: round(rate(int64(q.Worked), int64(before.Worked), took) / 1e9), UnansweredSeconds: seconds(q.Unanswered),
		RequestsPerMessage: round(q.RequestsPerMessage()), DollarsPerMillion: round(q.DollarsPerMillion()),
		LastPollSeconds: -1, // never
	}
	if !q.LastPoll.IsZero() {
		v.LastPollSeconds = seconds(now.Sub(q.LastPoll))
	}
	if d, ok := seen.depths[q.Name]; ok {
		v.DepthError = text(d.err)
		if d.err == nil {
			v.Depth = &depthView{d.Visible, d.InFlight, d.Delayed, d.DeadLetters, seconds(now.Sub(seen.at))}
		}
	}
	return v
}

func (s *Server) poolView(now, then sample) *poolView {
	p := s.src.Pool.Stats()
	v := &poolView{
		Limit: p.Limit, Active: p.ActiveWorkers, Reserved: p.Reserved, Workers: p.Workers, Waiting: p.Waiting, Blocked: p.Blocked,
		OldestWaitSeconds: seconds(p.OldestWait), Completed: p.Completed, Failed: p.Failed, Rejected: p.Rejected,
		Panicked: p.Panicked, Stuck: p.Stuck, P50Seconds: seconds(p.P50), P99Seconds: seconds(p.P99),
		ScaleUps: p.ScaleUps, ScaleDowns: p.ScaleDowns,
		EndedPerSecond: round(rate(int64(now.pool.ended), int64(then.pool.ended), now.at.Sub(then.at))),
	}
	if l := p.LastScale; !l.At.IsZero() {
		v.LastScale = &scaleHop{l.From, l.To, l.Reason, l.At}
	}
	return v
}

func (s *Server) appView() appView {
	v := appView{
		Name: path.Base(os.Args[0]), Go: runtime.Version(), PID: os.Getpid(), StartedAt: s.began, UptimeSeconds: seconds(time.Since(s.began)),
		State: [...]string{starting: "starting", serving: "serving", draining: "draining"}[s.phase.Load()],
	}
	v.Host, _ = os.Hostname()
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		at := slices.IndexFunc(info.Settings, func(b debug.BuildSetting) bool { return b.Key == "vcs.revision" })
		if at >= 0 && (v.Version == "" || v.Version == "(devel)") {
			v.Version = clip(info.Settings[at].Value, 12)
		}
	}
	v.Version = strings.TrimSuffix(strings.TrimSuffix(v.Version, "…"), "(devel)")
	return v
}

// seconds keeps microseconds: JSON needs no more.
func seconds(d time.Duration) float64 { return float64(d/time.Microsecond) / 1e6 }

// round keeps three digits behind the point.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }

func text(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error(), maxError)
}
