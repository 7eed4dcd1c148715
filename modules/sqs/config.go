package sqs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// AWS's own limits, from the quotas pages of the SQS Developer Guide.
const (
	maxBatch      = 10 // entries of a receive, delete, send or visibility batch
	maxWaitTime   = 20 * time.Second
	maxVisibility = 12 * time.Hour
	maxBytes      = 1 << 20 // a message, and a batch, with attributes counted
	maxAttributes = 10
)

// Config configures the consumer and the publisher. The zero value consumes nothing and publishes
// nowhere; everything but the queues has a default.
type Config struct {
	// Queues lists what to consume. Default: none, the module only publishes.
	Queues []Queue

	// Publish maps events to the queues, topics or buses they are sent to; the first route whose
	// pattern matches the event's name wins. Default: with exactly one queue in Queues every event goes there, else none.
	Publish []Route

	// PublishBuffer is how many bytes of events may wait to be sent or confirmed, over all destinations,
	// each event counted with 1 KiB on top. Callers beyond it wait, so that a slow SQS slows its
	// publishers and does not fill the memory. Default 64 MiB; at least 2 MiB.
	PublishBuffer int

	// Payload compresses or offloads long bodies. Default: neither.
	Payload Payload

	// AckLinger is how long a finished message waits for others to share its delete request.
	// Longer means fewer requests; a crash inside it means a duplicate. Default 50ms; -1 sends at once.
	AckLinger time.Duration

	// Doctor says what Start does with what [Diagnose] finds wrong with the queues' settings: DoctorWarn
	// logs it, DoctorFail makes a finding that loses messages an error, DoctorOff does not look.
	// Default DoctorWarn.
	Doctor Doctor

	// DisableChecksums turns the MD5 check of bodies off: of received ones, which go back to the queue when
	// they do not match, and of sent ones in the client that the module builds itself. TLS guards the way;
	// the check costs about a microsecond for each KiB. Default false.
	DisableChecksums bool

	// ShutdownTimeout bounds Stop: the polls in flight, the running listeners and the last deletes
	// all end within it. Default 8s.
	ShutdownTimeout time.Duration
}

// Queue configures one consumed queue.
type Queue struct {
	// Name is the queue's name, URL or ARN. Required.
	Name string

	// Concurrency caps how many messages of this queue are handled at once. Default 0: as many as the
	// pool has slots.
	Concurrency int

	// Weight is the queue's part of the worker time that the consumer gets from the pool, while several
	// queues have messages: with weights 3 and 1 three quarters and a quarter of it, be their messages slow
	// or quick, few or many. What a queue does not use the others share; for that it is not paid back.
	// Running messages are not interrupted, so shares are right up to about a message for each slot. A queue
	// then keeps a message at hand for each slot of its share, and one more, so that it has one when its turn
	// comes; the only queue that has messages keeps none. [QueueStats.Worked] tells what each has used.
	// Default 1.
	Weight int

	// MaxPollers caps how many receive requests are in flight at once. The consumer starts with one, adds
	// one for each full batch that listeners had to wait for, and takes one away for each empty one.
	// Default 64.
	MaxPollers int

	// WaitTime is how long a receive waits for a message to arrive, in whole seconds up to 20s.
	// A stop lets the poll in flight end, so the default is what the stop budget allows: ShutdownTimeout
	// less 3s for listeners and deletes, at least 1s, at most 20s.
	WaitTime time.Duration

	// Visibility is the lease on a received message, renewed for as long as its listeners run; after a
	// crash the message comes back this much later. 1s to 12h. Default: the queue's own setting.
	Visibility time.Duration

	// Format names the envelope of every body in this queue. Default: detected for each message.
	Format events.Format

	// Event names the events whose message does not tell a name itself, for a queue that carries one
	// kind of them. Default: such a message is dead-lettered.
	Event string

	// Retry spaces the redeliveries of a failed message.
	Retry Backoff

	// NoListener decides about an event that no listener is registered for. Default [RetryUnhandled]:
	// the message is redelivered until the queue's redrive policy moves it to the dead-letter queue.
	NoListener Unhandled

	// DeadLetter is the name, URL or ARN of the queue that takes messages which can never succeed.
	// Default: the target of the queue's redrive policy. Without either such a message is retried.
	DeadLetter string

	// DeleteOffloaded deletes the object of an offloaded body once its message is deleted. Set it where
	// this queue is the object's only reader, not behind a topic. Default: objects stay, for a life-cycle
	// rule of the bucket to expire.
	DeleteOffloaded bool
}

// Backoff is exponential with full jitter: the n-th redelivery waits a random time of up to
// Min x 2^(n-1), and never more than Max. A listener overrides it with [events.RetryAfter].
type Backoff struct {
	Min time.Duration // Default 1s; -1 redelivers at once.
	Max time.Duration // Default 15m; at most 12h.
}

// Unhandled says what becomes of an event that has no listener.
type Unhandled int

const (
	// RetryUnhandled redelivers with back-off, so that the redrive policy decides.
	RetryUnhandled Unhandled = iota
	// DeadLetterUnhandled moves the message to the dead-letter queue at once.
	DeadLetterUnhandled
	// DeleteUnhandled deletes the message: the queue is known to carry events for others too.
	DeleteUnhandled
)

func (c Config) withDefaults() Config {
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 8 * time.Second
	}
	if c.PublishBuffer == 0 {
		c.PublishBuffer = 64 << 20
	}
	if c.Doctor == "" {
		c.Doctor = DoctorWarn
	}
	c.AckLinger = orDefault(c.AckLinger, 50*time.Millisecond)

	queues := make([]Queue, len(c.Queues))
	for i, q := range c.Queues {
		if q.Weight == 0 {
			q.Weight = 1
		}
		if q.MaxPollers == 0 {
			q.MaxPollers = 64
		}
		spare := (c.ShutdownTimeout - 3*time.Second).Truncate(time.Second)
		if q.WaitTime == 0 {
			q.WaitTime = min(max(spare, time.Second), maxWaitTime)
		}
		q.Retry.Min = orDefault(q.Retry.Min, time.Second)
		if q.Retry.Max == 0 {
			q.Retry.Max = max(15*time.Minute, q.Retry.Min)
		}
		queues[i] = q
	}
	c.Queues = queues

	if len(c.Publish) == 0 && len(c.Queues) == 1 {
		c.Publish = []Route{{Pattern: "**", Queue: c.Queues[0].Name}}
	}
	return c
}

// orDefault reads the habit of every duration here: zero is the default, negative is off.
func orDefault(d, def time.Duration) time.Duration {
	switch {
	case d == 0:
		return def
	case d < 0:
		return 0
	}
	return d
}

func (c Config) validate() error {
	var problems []error
	report := func(field string, value any, hint string) {
		problems = append(problems, fmt.Errorf("sqs.Config.%s: %v: %s", field, value, hint))
	}

	if c.ShutdownTimeout < time.Second {
		report("ShutdownTimeout", c.ShutdownTimeout, "use at least 1s, so that deletes in flight can end")
	}
	if !slices.Contains([]Doctor{DoctorWarn, DoctorFail, DoctorOff}, c.Doctor) {
		report("Doctor", fmt.Sprintf("%q", c.Doctor), "use DoctorWarn, DoctorFail or DoctorOff")
	}
	seen := map[string]bool{}
	for i, q := range c.Queues {
		at := func(field string) string { return fmt.Sprintf("Queues[%d].%s", i, field) }
		name, err := queueName(q.Name)
		switch {
		case err != nil:
			report(at("Name"), fmt.Sprintf("%q", q.Name), err.Error())
		case seen[name]:
			report(at("Name"), fmt.Sprintf("%q", q.Name), "is listed twice; list each queue once")
		}
		seen[name] = true
		if q.Concurrency < 0 {
			report(at("Concurrency"), q.Concurrency, "use 0 for no cap, or a positive count")
		}
		if q.Weight < 0 {
			report(at("Weight"), q.Weight, "use 0 for the default of 1, or a positive weight")
		}
		if q.MaxPollers < 0 {
			report(at("MaxPollers"), q.MaxPollers, "use 0 for the default of 64, or a positive count")
		}
		if q.WaitTime < time.Second || q.WaitTime > maxWaitTime || q.WaitTime%time.Second != 0 {
			report(at("WaitTime"), q.WaitTime, "SQS takes whole seconds from 1s to 20s")
		} else if q.WaitTime >= c.ShutdownTimeout {
			report(at("WaitTime"), q.WaitTime, fmt.Sprintf("a stop could not let the poll end: keep it below ShutdownTimeout (%v) or raise that", c.ShutdownTimeout))
		}
		if q.Visibility != 0 && (q.Visibility < time.Second || q.Visibility > maxVisibility || q.Visibility%time.Second != 0) {
			report(at("Visibility"), q.Visibility, "SQS takes whole seconds from 1s to 12h; leave it at 0 for the queue's own setting")
		}
		if q.Retry.Max < q.Retry.Min || q.Retry.Max > maxVisibility {
			report(at("Retry.Max"), q.Retry.Max, fmt.Sprintf("use a time from Retry.Min (%v) to 12h", q.Retry.Min))
		}
		if q.NoListener < RetryUnhandled || q.NoListener > DeleteUnhandled {
			report(at("NoListener"), int(q.NoListener), "use RetryUnhandled, DeadLetterUnhandled or DeleteUnhandled")
		}
		if q.Event != "" {
			if err := events.CheckName(q.Event); err != nil {
				report(at("Event"), fmt.Sprintf("%q", q.Event), err.Error())
			}
		}
		if q.DeadLetter != "" {
			if dead, err := queueName(q.DeadLetter); err != nil {
				report(at("DeadLetter"), fmt.Sprintf("%q", q.DeadLetter), err.Error())
			} else if dead == name {
				report(at("DeadLetter"), fmt.Sprintf("%q", q.DeadLetter), "is the queue itself; name another queue")
			}
		}
	}
	if c.PublishBuffer < 2*maxBytes {
		report("PublishBuffer", c.PublishBuffer, "use at least 2 MiB, so that a message of full size fits")
	}
	validateRoutes(c.Publish, report)
	c.Payload.validate(report)
	return errors.Join(problems...)
}

// queueName reads the queue's name out of a name, a URL or an ARN.
func queueName(ref string) (string, error) {
	name := ref
	switch {
	case strings.HasPrefix(ref, "arn:"):
		name = ref[strings.LastIndexByte(ref, ':')+1:]
	case strings.Contains(ref, "://"):
		name = ref[strings.LastIndexByte(ref, '/')+1:]
	}
	base := strings.TrimSuffix(name, ".fifo")
	if base == "" {
		return "", errors.New("name the queue by its name, URL or ARN")
	}
	if len(name) > 80 {
		return "", errors.New("a queue's name has at most 80 characters")
	}
	for _, r := range base {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return "", fmt.Errorf("a queue's name has letters, digits, - and _ only, not %q", r)
		}
	}
	return name, nil
}
