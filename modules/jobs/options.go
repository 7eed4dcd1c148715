package jobs

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Option sets up a job: as a default in [New], or for one dispatch in [Job.New].
type Option func(*settings)

// settings is what options set; zero means not set.
type settings struct {
	carried
	delay      time.Duration
	unique     time.Duration
	uniqueKey  string
	untilStart bool
	errs       []error
}

// carried is the part that travels with a job.
type carried struct {
	MaxAttempts int           `json:"max,omitempty"`
	Timeout     time.Duration `json:"timeout,omitempty"`
	Backoff     *backoff      `json:"backoff,omitempty"`
	Queue       string        `json:"queue,omitempty"`
	Group       string        `json:"group,omitempty"`
}

func newSettings(defaults settings, opts []Option) settings {
	s := defaults
	s.errs = nil
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

func (s *settings) bad(option string, value any, hint string) {
	s.errs = append(s.errs, fmt.Errorf("option %s is %v: %s", option, value, hint))
}

// MaxAttempts is how often the job is tried before it counts as failed. -1 tries without end. Default:
// Config.MaxAttempts.
func MaxAttempts(n int) Option {
	return func(s *settings) {
		if s.MaxAttempts = n; n == 0 || n < -1 {
			s.bad("MaxAttempts", n, "use 1 or more, or -1 for no limit")
		}
	}
}

// Timeout bounds each attempt: the handler's context is cancelled after d with [events.ErrTimeout] as the
// cause, and the attempt counts as failed when the handler returns the error. Default: no bound.
func Timeout(d time.Duration) Option {
	return func(s *settings) {
		if s.Timeout = d; d <= 0 {
			s.bad("Timeout", d, "it must be positive; leave it out for no bound")
		}
	}
}

// Backoff lists the pauses before the second attempt, the third, and so on; the last one repeats. Default:
// on SQS the queue's own back-off, in this process ExponentialBackoff(time.Second, 15*time.Minute). A
// handler that returns [events.RetryAfter] decides by itself.
func Backoff(pauses ...time.Duration) Option {
	return func(s *settings) {
		s.Backoff = &backoff{List: pauses}
		if len(pauses) == 0 {
			s.bad("Backoff", "empty", "list one pause or more")
		}
		for _, d := range pauses {
			if d < 0 {
				s.bad("Backoff", d, "a pause cannot be negative")
			}
		}
	}
}

// ExponentialBackoff draws the pause before attempt n+1 from zero to low doubled n-1 times, but no more
// than high, so that jobs that failed together do not come back together.
func ExponentialBackoff(low, high time.Duration) Option {
	return func(s *settings) {
		s.Backoff = &backoff{Low: low, High: high}
		if low <= 0 || high < low {
			s.bad("ExponentialBackoff", fmt.Sprintf("%v to %v", low, high), "it goes from a positive pause to one that is no shorter")
		}
	}
}

// Delay holds the job back for d, counted from its dispatch; in a chain, from the end of the job before.
// It may be longer than the 15 minutes of SQS: whoever receives the job early sends it on. A FIFO queue, a
// topic and a bus of EventBridge can hold nothing back: dispatching there is an error.
func Delay(d time.Duration) Option {
	return func(s *settings) {
		if s.delay = d; d < 0 {
			s.bad("Delay", d, "a delay cannot be negative")
		}
	}
}

// Queue sends the job to that queue, one of sqs.Config.Publish or Queues, instead of the one that the
// routes choose for "job.<name>". It means nothing in this process.
func Queue(name string) Option {
	return func(s *settings) {
		if s.Queue = name; name == "" {
			s.bad("Queue", `""`, "name a queue")
		}
	}
}

// Group sets the message group: on a FIFO queue jobs of a group run one after the other, on a standard queue
// groups get fair shares. It means nothing in this process.
func Group(key string) Option {
	return func(s *settings) {
		if s.Group = key; key == "" {
			s.bad("Group", `""`, "name a group")
		}
	}
}

// UniqueFor makes dispatching do nothing while an equal job is queued or running: one of the same name and
// [UniqueKey]. The lock is released when the job is done or has failed, and expires d after the dispatch
// whatever happened to the job: a process that dies between taking the lock and queueing the job keeps
// others from queueing it for that long, and a delay counts. 0 turns a job's default off.
//
// Locks live where the [Locks] in use keep them, by default in this process.
func UniqueFor(d time.Duration) Option {
	return func(s *settings) { s.setUnique("UniqueFor", d, false) }
}

// UniqueUntilStart is UniqueFor with a lock that is released when the job starts, so that another one can
// be queued while it runs and will see what changed meanwhile.
func UniqueUntilStart(d time.Duration) Option {
	return func(s *settings) { s.setUnique("UniqueUntilStart", d, true) }
}

func (s *settings) setUnique(option string, d time.Duration, untilStart bool) {
	if s.unique, s.untilStart = d, untilStart; d < 0 {
		s.bad(option, d, "a lock cannot live for less than nothing")
	}
}

// UniqueKey is what a unique job is known by, within its name. Default: its arguments, as JSON.
func UniqueKey(key string) Option {
	return func(s *settings) {
		if s.uniqueKey = key; key == "" {
			s.bad("UniqueKey", `""`, "leave it out to compare arguments")
		}
	}
}

// backoff is a list of pauses, or exponential.
type backoff struct {
	List []time.Duration `json:"list,omitempty"`
	Low  time.Duration   `json:"low,omitempty"`
	High time.Duration   `json:"high,omitempty"`
}

// standardBackoff is for jobs of this process that have none.
var standardBackoff = &backoff{Low: time.Second, High: 15 * time.Minute}

// after is the pause after a failed attempt. It may come from the wire: whatever its values, it answers.
func (b *backoff) after(attempt int) time.Duration {
	if n := len(b.List); n > 0 {
		return max(b.List[min(max(attempt, 1), n)-1], 0)
	}
	ceiling := max(b.Low, 0)
	for range attempt - 1 {
		if ceiling >= b.High/2 {
			ceiling = b.High
			break
		}
		ceiling *= 2
	}
	return rand.N(max(ceiling, 0) + 1)
}
