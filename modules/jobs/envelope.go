package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// metadataJob is the metadata entry of an event that holds the envelope, as JSON. An event without one, such
// as another system may send, is a job with its defaults.
const metadataJob = "fxpond.job"

// Instructions to the publisher, which package sqs documents. This one does not import it.
const (
	metadataDelay   = "publish.delay"
	metadataQueue   = "publish.queue"
	metadataGroup   = "publish.group"
	metadataDedupID = "publish.dedup-id"
)

// source is the same for all jobs: with the ID it makes the identity that a ledger knows a job by, and IDs
// are unique in themselves.
const source = "jobs"

// maxDelay is how long SQS holds a message back, by its quotas page.
const maxDelay = 15 * time.Minute

// envelope is what travels with a job beside its arguments.
type envelope struct {
	carried
	// Due is when the job may start.
	Due time.Time `json:"due,omitzero"`
	// Tries are the attempts that were spent on earlier messages of this job.
	Tries int `json:"tries,omitempty"`
	// Unique is the key of the lock that the job holds, UntilStart when to release it.
	Unique     string `json:"unique,omitempty"`
	UntilStart bool   `json:"until_start,omitempty"`
	// Batch is the batch that the job belongs to, Item its name there: the ID of a chain's first job.
	Batch string `json:"batch,omitempty"`
	Item  string `json:"item,omitempty"`
	// Chain is what follows.
	Chain []link `json:"chain,omitempty"`
}

// link is a job that follows another, as it travels. What its Job's defaults say to the dispatcher is
// written down, since the process that dispatches it may not know the Job.
type link struct {
	carried
	ID    string          `json:"id"`
	Job   string          `json:"job"`
	Args  json.RawMessage `json:"args"`
	Delay time.Duration   `json:"delay,omitempty"`
}

func links(tasks []Task) ([]link, error) {
	all := make([]link, 0, len(tasks))
	for _, t := range tasks {
		args, err := json.Marshal(t.args)
		if err != nil {
			return nil, events.Permanent(fmt.Errorf("jobs: arguments of job %q: %w", t.def.name, err))
		}
		set := t.all()
		l := link{carried: t.own().carried, ID: t.id, Job: t.def.name, Args: args, Delay: set.delay}
		l.Queue, l.Group = set.Queue, set.Group
		all = append(all, l)
	}
	return all, nil
}

// parcel is a job on its way into a queue.
type parcel struct {
	event events.Any
	envelope
	dedupID string // instead of the ID
}

func newParcel(id, name string, data any, now time.Time, delay time.Duration) parcel {
	p := parcel{event: events.Any{ID: id, Name: name, Data: data, Source: source, Timestamp: now.UTC()}}
	if delay > 0 {
		p.Due = now.Add(delay).UTC()
	}
	return p
}

// next is the first link. The batch goes on with it.
func next(chain []link, batch, item string, now time.Time) parcel {
	l := chain[0]
	p := newParcel(l.ID, eventPrefix+l.Job, events.NewPayload(l.Args), now, l.Delay)
	p.carried, p.Batch, p.Item, p.Chain = l.carried, batch, item, chain[1:]
	return p
}

// jobOf is the name of the job that an event carries.
func jobOf(event string) string { return strings.TrimPrefix(event, eventPrefix) }

// open reads the envelope of an event.
func open(e *events.Any) (env envelope, err error) {
	if text, ok := e.Metadata[metadataJob]; ok {
		if err = json.Unmarshal([]byte(text), &env); err != nil {
			return env, events.Permanent(fmt.Errorf("jobs: metadata %s of event %q is not what this package writes: %w", metadataJob, e.Name, err))
		}
	}
	return env, nil
}

// seal puts the envelope into the event, in the place of all other metadata.
func (p *parcel) seal() (events.Any, error) {
	e := p.event
	e.Metadata = nil
	text, err := json.Marshal(p.envelope)
	if err != nil {
		return e, events.Permanent(fmt.Errorf("jobs: event %q: %w", e.Name, err))
	}
	if string(text) != "{}" {
		e.Metadata = map[string]string{metadataJob: string(text)}
	}
	return e, nil
}

// address seals the event and tells the publisher where to send it and how long to hold it back.
func (p *parcel) address(now time.Time) (events.Any, error) {
	e, err := p.seal()
	if err != nil {
		return e, err
	}
	tell := func(key, value string) {
		if value == "" {
			return
		}
		if e.Metadata == nil {
			e.Metadata = make(map[string]string, 1)
		}
		e.Metadata[key] = value
	}
	if wait := p.Due.Sub(now); !p.Due.IsZero() && wait > 0 {
		tell(metadataDelay, min(wait, maxDelay).String())
	}
	tell(metadataQueue, p.Queue)
	tell(metadataGroup, p.Group)
	tell(metadataDedupID, p.dedupID)
	return e, nil
}
