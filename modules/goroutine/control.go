package goroutine

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"

	"go.uber.org/zap"
)

// control is the pool's own goroutine: Start starts it, Stop ends it and waits. Every tick it moves the
// limit, ends idle workers, looks for stuck tasks and chooses the clock. While the pool has nothing to
// do it sleeps until the next task.
type control struct {
	quit, done chan struct{}
	kick       chan struct{} // holds one: the sender never blocks
	asleep     bool          // guarded by Pool.mu

	scaler    scaler
	runnable  func() int // goroutines that wait for a processor
	procs     func() int // GOMAXPROCS, read each tick: it follows the container's quota
	lastTick  time.Duration
	lastCount uint64
}

// looks are the pauses between two looks at the run queue. They add up to a tick, and differ, so that
// they do not keep step with the tasks' own timers.
var looks = [...]time.Duration{7 * time.Millisecond, 11 * time.Millisecond, 9 * time.Millisecond, 13 * time.Millisecond, 10 * time.Millisecond}

const (
	tick = 50 * time.Millisecond

	// Above fastRate tasks a second the pool's clock becomes cheap (see clock), below half of it exact.
	fastRate = 100_000
)

func newControl() control {
	return control{runnable: runnableGoroutines(), procs: func() int { return runtime.GOMAXPROCS(0) }}
}

func (c *control) start(p *Pool) {
	c.quit, c.done, c.kick = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(c.done)
		p.controlLoop()
	}()
}

func (c *control) stop() {
	close(c.quit)
	<-c.done
}

// rouse must follow every new task. It needs mu.
func (c *control) rouse() {
	if c.asleep {
		c.asleep = false
		c.kick <- struct{}{}
	}
}

func (p *Pool) controlLoop() {
	c := &p.control
	timer := time.NewTimer(looks[0])
	defer timer.Stop()
	for look, standing := 1, math.MaxInt; ; look++ {
		select {
		case <-c.quit:
			return
		case <-timer.C:
		}
		standing = min(standing, c.look())
		if look == len(looks) {
			if !p.tick(standing) {
				select {
				case <-c.quit:
					return
				case <-c.kick:
				}
			}
			look, standing = 0, math.MaxInt
		}
		timer.Reset(looks[look])
	}
}

// look counts the goroutines that wait for a processor. What the timer that woke us has woken as well
// runs first: only a queue that outlasts it counts. The least of several looks is what stands in the
// queue all the time; bursts, however high, leave it empty in between.
func (c *control) look() int {
	runtime.Gosched()
	return c.runnable()
}

// tick answers false if there will be nothing to do until the next task. standing is the least number of
// goroutines that waited for a processor since the last tick.
func (p *Pool) tick(standing int) bool {
	now := p.clock.now()

	p.mu.Lock()
	p.chooseClock(now)
	decision := p.scale(standing, now)
	if p.cfg.IdleTimeout > 0 {
		p.dismissIdle(now-p.cfg.IdleTimeout, max(p.cfg.MinWorkers, 0)+p.lent)
	}
	stuck := p.findStuck(now)
	active := p.books.waiting+p.books.running > 0 || p.reservers.n > 0 || p.clock.fast.Load() ||
		p.cfg.IdleTimeout > 0 && (len(p.idle) > p.cfg.MinWorkers || p.limit != p.cfg.bounds(p.control.procs()).start)
	p.control.asleep = !active
	p.mu.Unlock()

	if decision.Reason != "" {
		p.log.Debug("goroutine pool limit moved", zap.Int("from", decision.From), zap.Int("to", decision.To), zap.String("reason", decision.Reason))
		p.telemetry.scaled(decision)
	}
	for _, t := range stuck {
		p.log.Warn("task is stuck", zap.String("task", t.name), zap.Duration("age", t.age))
	}
	return active
}

// chooseClock needs mu.
func (p *Pool) chooseClock(now time.Duration) {
	c := &p.control
	count := p.books.completed + p.books.failed
	done, span := float64(count-c.lastCount), (now - c.lastTick).Seconds()
	c.lastCount, c.lastTick = count, now
	rate := done / span
	switch fast := p.clock.fast.Load(); {
	case !fast && rate > fastRate:
		p.clock.last.Store(int64(now))
		p.clock.fast.Store(true)
	case fast && rate < fastRate/2:
		p.clock.fast.Store(false)
		p.settle() // a fast pool is slow to let submitters in
	}
}

// scale needs mu.
func (p *Pool) scale(runnable int, now time.Duration) ScaleDecision {
	if p.cfg.DisableAutoscaler {
		return ScaleDecision{}
	}
	procs := p.control.procs()
	waiting := p.queued.n + p.joinable + p.blocked.n + p.resumers.n
	if p.busy > 0 && 2*p.busy >= p.limit-p.held {
		waiting += p.reservers.n // otherwise they wait for one another's idle slots
	}
	limit, reason := p.control.scaler.decide(sample{
		waiting:   waiting,
		busy:      p.busy,
		runnable:  runnable,
		completed: p.books.completed + p.books.failed,
		procs:     procs,
		limit:     p.limit,
		bounds:    p.cfg.bounds(procs),
	}, int(max(p.cfg.IdleTimeout, 0)/tick))
	if reason == "" {
		return ScaleDecision{}
	}
	d := ScaleDecision{From: p.limit, To: limit, Reason: reason, At: p.clock.base.Add(now)}
	p.lastScale = d
	if d.To > d.From {
		p.scaleUps++
	} else {
		p.scaleDowns++
	}
	p.setLimit(limit)
	return d
}

type stuckTask struct {
	name string
	age  time.Duration
}

// findStuck returns the tasks that have become stuck since the last tick. It needs mu.
func (p *Pool) findStuck(now time.Duration) []stuckTask {
	if p.cfg.StuckAfter < 0 {
		return nil
	}
	var found []stuckTask
	for e := range p.execs.all {
		if age := now - e.since; e.running && !e.stuck && age >= p.cfg.StuckAfter {
			e.stuck = true
			p.books.stuck++
			found = append(found, stuckTask{e.name(), age})
		}
	}
	return found
}

// runnableGoroutines counts the goroutines of the process that wait for a processor: 50 ns a call.
func runnableGoroutines() func() int {
	s := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	return func() int {
		metrics.Read(s)
		if s[0].Value.Kind() != metrics.KindUint64 {
			return 0 // a Go that lacks the metric: never saturated
		}
		return int(min(s[0].Value.Uint64(), 1<<20))
	}
}
