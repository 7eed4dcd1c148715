package ops

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/sqs"
)

const (
	sampleEvery = 5 * time.Second
	sampleCount = 180 // a quarter of an hour
	rateWindow  = 10 * time.Second
)

// sample is the counters of one moment.
type sample struct {
	at     time.Time
	queues []sqs.QueueStats
	pool   poolCounts
}

type poolCounts struct {
	ended          uint64
	waiting, limit int
	active         int
}

// history remembers the last minutes of counters, so that the page tells what happened before it was
// opened. It asks nobody outside the process.
type history struct {
	s *Server

	mu   sync.Mutex
	ring []sample
}

func (h *history) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		h.take()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *history) take() {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ring) == sampleCount {
		h.ring = slices.Delete(h.ring, 0, 1)
	}
	h.ring = append(h.ring, now)
}

func (h *history) now() sample {
	m := sample{at: time.Now()}
	if c := h.s.src.Consumer; c != nil {
		m.queues = c.Stats().Queues
	}
	if p := h.s.src.Pool; p != nil {
		s := p.Stats()
		m.pool = poolCounts{ended: s.Completed + s.Failed, waiting: s.Waiting, limit: s.Limit, active: s.ActiveWorkers}
	}
	return m
}

// before answers the newest sample that is at least d older than now, or else the oldest.
func (h *history) before(now time.Time, d time.Duration) sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, m := range slices.Backward(h.ring) {
		if now.Sub(m.at) >= d || i == 0 {
			return m
		}
	}
	return sample{at: now}
}

// rate is a count per second since then.
func rate(now, then int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(now-then) / took.Seconds()
}

// historyView is what the API answers: rates per second between samples, the oldest first.
type historyView struct {
	EverySeconds float64               `json:"everySeconds"`
	At           []time.Time           `json:"at"`
	Queues       map[string]queueLines `json:"queues"`
	Pool         *poolLines            `json:"pool,omitempty"`
}

type queueLines struct {
	Received     []float64 `json:"received"`
	Acked        []float64 `json:"acked"`
	Retried      []float64 `json:"retried"`
	DeadLettered []float64 `json:"deadLettered"`
}

type poolLines struct {
	Ended   []float64 `json:"ended"`
	Waiting []int     `json:"waiting"`
	Active  []int     `json:"active"`
	Limit   []int     `json:"limit"`
}

func (h *history) view() historyView {
	h.mu.Lock()
	ring := slices.Clone(h.ring)
	h.mu.Unlock()
	v := historyView{EverySeconds: sampleEvery.Seconds(), At: []time.Time{}, Queues: map[string]queueLines{}}
	if h.s.src.Pool != nil {
		v.Pool = &poolLines{Ended: []float64{}, Waiting: []int{}, Active: []int{}, Limit: []int{}}
	}
	for i := 1; i < len(ring); i++ {
		then, now := ring[i-1], ring[i]
		took := now.at.Sub(then.at)
		v.At = append(v.At, now.at)
		for j, q := range now.queues {
			p, lines := then.queues[j], v.Queues[q.Name]
			lines.Received = append(lines.Received, round(rate(q.Received, p.Received, took)))
			lines.Acked = append(lines.Acked, round(rate(q.Acked, p.Acked, took)))
			lines.Retried = append(lines.Retried, round(rate(q.Retried, p.Retried, took)))
			lines.DeadLettered = append(lines.DeadLettered, round(rate(q.DeadLettered, p.DeadLettered, took)))
			v.Queues[q.Name] = lines
		}
		if p := v.Pool; p != nil {
			p.Ended = append(p.Ended, round(rate(int64(now.pool.ended), int64(then.pool.ended), took)))
			p.Waiting = append(p.Waiting, now.pool.waiting)
			p.Active = append(p.Active, now.pool.active)
			p.Limit = append(p.Limit, now.pool.limit)
		}
	}
	return v
}
