package goroutine

// scaler decides the limit from one sample per tick. It knows no clock and no pool, so that tests can
// simulate any load. The rules, each against a failure seen in measurements:
//
//   - Grow by ratio, only while tasks wait and the processors have room: steps of one take minutes to
//     reach what an I/O-bound load needs.
//   - Judge each step by throughput, a window later. A step that brought less than 30 % of its growth
//     is taken back: behind a saturated downstream more tasks only wait longer.
//   - After a step back, rest, twice as long each time; a success ends that.
//   - Shrink while goroutines queue for processors: more tasks only switch more.
//   - Never conclude anything from windows in which nothing waited: arrivals set their throughput.
type scaler struct {
	runnable float64 // smoothed

	window int     // ticks since the limit moved or the last window ended
	base   uint64  // completions when the window began
	before float64 // completions per tick at the limit from
	from   int     // the limit before the step that is being judged; 0 if none is
	probed bool    // a step has failed since the limit was last at its start

	rest, nextRest int

	calm int // ticks since tasks last waited
	peak int // of busy slots in these
}

// sample is what the scaler sees at a tick.
type sample struct {
	waiting   int    // tasks that want a slot
	busy      int    // slots in use
	runnable  int    // goroutines of the process that wait for a processor
	completed uint64 // tasks so far
	procs     int

	limit, floor, start, ceiling int
}

// Ticks are 50 ms (see control).
const (
	windowTicks    = 4
	windowTicksMax = 100 // a window of tasks so slow that they prove nothing
	windowDone     = 20  // completions that prove something
	restTicks      = 10
	restTicksMax   = 160

	firstGrowth = 2.0 // until a step fails
	laterGrowth = 1.5
	worthwhile  = 0.3 // of the growth must show as throughput
	shrinkage   = 0.9

	roomPerProc      = 2 // runnable goroutines per processor below which there is room
	saturatedPerProc = 3 // and above which there is too little
	smoothing        = 0.3
)

// Reasons of a decision, as they appear in Stats, logs and metrics.
const (
	reasonTasksWait = "tasks wait"
	reasonNoGain    = "throughput did not follow"
	reasonSaturated = "processors are saturated"
	reasonIdle      = "limit is unused"
	reasonRelieved  = "processors are free again"
	reasonCeiling   = "ceiling fell"
)

// decide returns the new limit and why; the same limit and "" if it stays. calmTicks is how long a limit
// outlives its use; 0 for ever.
func (s *scaler) decide(now sample, calmTicks int) (limit int, reason string) {
	s.runnable += smoothing * (float64(now.runnable) - s.runnable)
	procs := float64(now.procs)
	switch {
	case now.limit > now.ceiling:
		return s.move(now.ceiling, reasonCeiling)
	case s.runnable > saturatedPerProc*procs && now.limit > now.floor:
		s.probed = true
		return s.move(max(now.floor, int(float64(now.limit)*shrinkage)), reasonSaturated)
	case now.waiting == 0:
		s.window, s.from = 0, 0
		return s.relax(now, calmTicks)
	}
	s.calm, s.peak = 0, 0
	if s.rest > 0 {
		s.rest--
		return now.limit, ""
	}
	return s.judge(now)
}

// relax moves an unused limit back towards the start.
func (s *scaler) relax(now sample, calmTicks int) (int, string) {
	s.calm++
	s.peak = max(s.peak, now.busy)
	if calmTicks == 0 || s.calm < calmTicks {
		return now.limit, ""
	}
	peak := s.peak
	s.calm, s.peak = 0, 0
	switch {
	case now.limit > now.start && 2*peak < now.limit:
		s.probed = false
		return s.move(max(now.start, 2*peak), reasonIdle)
	case now.limit < now.start && s.runnable < float64(now.procs):
		s.probed = false
		return s.move(now.start, reasonRelieved)
	}
	return now.limit, ""
}

// judge ends a window: it takes back a step that failed, or takes the next one.
func (s *scaler) judge(now sample) (int, string) {
	s.window++
	if s.window == 1 { // the change itself is not measured
		s.base = now.completed
		return now.limit, ""
	}
	ticks, done := s.window-1, now.completed-s.base
	if ticks < windowTicks || done < windowDone && ticks < windowTicksMax {
		return now.limit, ""
	}
	rate := float64(done) / float64(ticks)
	if s.from > 0 {
		growth := float64(now.limit)/float64(s.from) - 1
		if done >= windowDone && rate < s.before*(1+worthwhile*growth) {
			back := s.from
			s.probed = true
			s.nextRest = min(max(restTicks, 2*s.nextRest), restTicksMax)
			s.rest = s.nextRest
			return s.move(back, reasonNoGain)
		}
		s.nextRest = 0
	}
	if now.limit < now.ceiling && s.runnable < roomPerProc*float64(now.procs) {
		growth := firstGrowth
		if s.probed {
			growth = laterGrowth
		}
		limit, reason := s.move(min(max(int(float64(now.limit)*growth), now.limit+1), now.ceiling), reasonTasksWait)
		s.from, s.before = now.limit, rate
		return limit, reason
	}
	s.window, s.base, s.from = 1, now.completed, 0
	return now.limit, ""
}

func (s *scaler) move(to int, reason string) (int, string) {
	s.window, s.from = 0, 0
	return to, reason
}
