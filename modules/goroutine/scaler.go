package goroutine

import "slices"

// scaler decides the limit from one sample per tick. It knows no clock and no pool, so that tests can
// simulate any load. The rules, each against a failure seen in measurements:
//
//   - Grow by ratio, only while tasks wait and the processors have room: steps of one take minutes to
//     reach what an I/O-bound load needs.
//   - Tasks so slow that a window proves little are given room at once until a step has failed: they
//     wait for something else than a processor.
//   - Judge each step by throughput, a window later. A step that brought less than 30 % of its growth
//     is taken back: behind a saturated downstream more tasks only wait longer. The median of the ticks
//     counts, and a failure needs a second window, because a machine that is shared stalls.
//   - After a step back, rest, twice as long each time; a success ends that.
//   - After a step up that failed, and at a ceiling that nobody chose, try a step down: it stays if it
//     costs little. So a limit that noise, or a downstream that was faster then, has made too high comes back.
//   - Shrink while goroutines queue for processors: more tasks only switch more.
//   - Never conclude anything from windows in which nothing waited: arrivals set their throughput.
type scaler struct {
	runnable float64 // smoothed

	window []int   // completions of each tick since the limit moved or the last window ended
	last   uint64  // completions at the last tick
	skip   bool    // the tick in which the limit moved is not measured
	before float64 // completions per tick at the limit from
	from   int     // the limit before the step that is being judged; 0 if none is
	probed bool    // a step has failed since the limit was last at its start
	down   bool    // the next step goes down

	rest, nextRest int

	calm int // ticks since tasks last waited
	peak int // of busy slots in these
}

// sample is what the scaler sees at a tick.
type sample struct {
	waiting   int    // tasks that want a slot
	busy      int    // slots in use
	runnable  int    // goroutines of the process that wait for a processor, at least, all the time
	completed uint64 // tasks so far
	procs     int
	limit     int
	bounds
}

// Ticks are 50 ms (see control).
const (
	windowTicks    = 5
	windowTicksMax = 100 // a window of tasks so slow that they prove nothing
	windowDone     = 20  // completions that prove something
	restTicks      = 10
	restTicksMax   = 80

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
	reasonProbeDown = "trying with less"
	reasonLoss      = "throughput fell"
	reasonSaturated = "processors are saturated"
	reasonIdle      = "limit is unused"
	reasonRelieved  = "processors are free again"
	reasonCeiling   = "ceiling fell"
)

// decide returns the new limit and why; the same limit and "" if it stays. calmTicks is how long a limit
// outlives its use; 0 for ever.
func (s *scaler) decide(now sample, calmTicks int) (limit int, reason string) {
	s.runnable += smoothing * (float64(now.runnable) - s.runnable)
	done := int(now.completed - s.last)
	s.last = now.completed
	procs := float64(now.procs)
	switch {
	case now.limit > now.ceiling:
		return s.move(now.ceiling, reasonCeiling)
	case s.runnable > saturatedPerProc*procs && now.limit > now.floor:
		s.probed = true
		return s.move(max(now.floor, int(float64(now.limit)*shrinkage)), reasonSaturated)
	case now.waiting == 0:
		s.window, s.from = s.window[:0], 0
		return s.relax(now, calmTicks)
	}
	s.calm, s.peak = 0, 0
	if s.rest > 0 {
		s.rest--
		return now.limit, ""
	}
	return s.judge(now, done)
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
func (s *scaler) judge(now sample, done int) (int, string) {
	if s.skip {
		s.skip = false
		return now.limit, ""
	}
	s.window = append(s.window, done)
	ticks, sum := len(s.window), 0
	for _, n := range s.window {
		sum += n
	}
	proof := sum >= windowDone
	if ticks < windowTicks || !proof && (s.probed || sum == 0) && ticks < windowTicksMax {
		return now.limit, ""
	}
	rate := float64(sum) / float64(ticks)
	if ticks <= 2*windowTicks {
		sorted := slices.Sorted(slices.Values(s.window))
		rate = float64(sorted[ticks/2]+sorted[(ticks-1)/2]) / 2
	}
	if s.from > 0 && proof {
		// Above from this asks for a gain, below it allows a loss.
		step := float64(now.limit)/float64(s.from) - 1
		if rate < s.before*(1+worthwhile*step) {
			if ticks < 2*windowTicks {
				return now.limit, ""
			}
			reason := reasonNoGain
			if step < 0 {
				reason = reasonLoss
			}
			s.probed, s.down = true, step > 0
			s.nextRest = min(max(restTicks, 2*s.nextRest), restTicksMax)
			s.rest = s.nextRest
			return s.move(s.from, reason)
		}
		s.nextRest = 0
	}
	return s.step(now, rate)
}

// step goes on from a window that ended well.
func (s *scaler) step(now sample, rate float64) (int, string) {
	room := s.runnable < roomPerProc*float64(now.procs)
	// A ceiling that the user set is also where the limit starts: it is their choice, not our guess.
	guessed := now.limit == now.ceiling && now.start < now.ceiling
	to, reason := now.limit, ""
	switch {
	case room && (s.down || guessed && s.from == 0) && now.limit > now.floor:
		to, reason = max(int(float64(now.limit)/laterGrowth), now.floor), reasonProbeDown
		s.down = false
	case room && now.limit < now.ceiling:
		growth := firstGrowth
		if s.probed {
			growth = laterGrowth
		}
		to, reason = min(max(int(float64(now.limit)*growth), now.limit+1), now.ceiling), reasonTasksWait
	case now.limit == now.ceiling: // just reached
		s.rest = restTicksMax
		return s.move(now.limit, "")
	}
	if reason == "" {
		s.window, s.from = s.window[:0], 0
		return now.limit, ""
	}
	to, reason = s.move(to, reason)
	s.from, s.before = now.limit, rate
	return to, reason
}

func (s *scaler) move(to int, reason string) (int, string) {
	s.window, s.skip, s.from = s.window[:0], true, 0
	return to, reason
}
