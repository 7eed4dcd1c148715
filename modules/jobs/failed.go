package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/events"
)

// FailedJob is a job that has failed for good.
type FailedJob struct {
	ID       string
	Name     string
	Args     json.RawMessage
	Error    string
	Attempts int
	At       time.Time
	// Envelope is what else travels with the job: its options, the rest of its chain, its batch. It is JSON
	// that belongs to this package, or empty.
	Envelope string
}

// FailedStore keeps failed jobs. Safe for concurrent use. The package jobstest holds the suite that every
// implementation passes.
//
// The default keeps the newest 1,000 of them in this process's memory.
type FailedStore interface {
	// Add keeps a job. It replaces one of the same ID.
	Add(ctx context.Context, job FailedJob) error
	// Find returns a job, or ErrNotFound.
	Find(ctx context.Context, id string) (FailedJob, error)
	// List yields all jobs, the longest failed first, until the loop ends or an error was yielded. The loop
	// may add and remove jobs; whether it sees that is open.
	List(ctx context.Context) iter.Seq2[FailedJob, error]
	// Remove deletes a job, or answers ErrNotFound.
	Remove(ctx context.Context, id string) error
}

// record notes a failed job. One that comes back for lack of a dead-letter queue keeps its record.
func (d *Dispatcher) record(ctx context.Context, a *attempt, attempts int, cause error) error {
	if errors.Is(cause, ErrTooManyAttempts) {
		if _, err := d.failed.Find(ctx, a.info.ID); err == nil {
			return nil
		}
	}
	job := FailedJob{ID: a.info.ID, Name: a.info.Name, Error: cause.Error(), Attempts: attempts, At: time.Now().UTC(), Envelope: a.event.Metadata[metadataJob]}
	var err error
	if job.Args, err = json.Marshal(a.event.Data); err != nil {
		job.Args = json.RawMessage("null")
		job.Error += fmt.Sprintf(" (its arguments are lost: %v)", err)
	}
	return d.failed.Add(ctx, job)
}

// Failed yields the jobs that failed for good, the longest failed first. Those that came from SQS are also in
// the dead-letter queue: retry them here or redrive them there, not both, or they run twice.
func (d *Dispatcher) Failed(ctx context.Context) iter.Seq2[FailedJob, error] {
	return d.failed.List(ctx)
}

// Retry dispatches failed jobs again, as [Dispatcher.Dispatch] does, with all their attempts, and forgets
// them. A job keeps its ID; one of a chain goes on with the chain, one of a batch counts there when it is
// done. No lock keeps a unique job back. The error joins those of jobs that are not known or not queued;
// those stay.
func (d *Dispatcher) Retry(ctx context.Context, ids ...string) error {
	var errs []error
	for _, id := range ids {
		if err := d.retry(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("jobs: retrying %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func (d *Dispatcher) retry(ctx context.Context, id string) error {
	job, err := d.failed.Find(ctx, id)
	if err != nil {
		return err
	}
	p := newParcel(job.ID, eventPrefix+job.Name, events.NewPayload(job.Args), time.Now(), 0)
	if job.Envelope != "" {
		p.event.Metadata = map[string]string{metadataJob: job.Envelope}
	}
	if p.envelope, err = open(&p.event); err != nil {
		return err
	}
	p.Due, p.Tries = time.Time{}, 0
	// A FIFO queue would drop the ID as a duplicate of the job that failed within the last five minutes.
	p.dedupID = job.ID + "-" + strconv.FormatInt(job.At.UnixMilli(), 36)
	if err := d.put(ctx, p); err != nil {
		return err
	}
	return d.failed.Remove(ctx, id)
}

// Forget deletes failed jobs. The error joins those of jobs that are not known.
func (d *Dispatcher) Forget(ctx context.Context, ids ...string) error {
	var errs []error
	for _, id := range ids {
		if err := d.failed.Remove(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("jobs: forgetting %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// Flush deletes all failed jobs that there are when it is called.
func (d *Dispatcher) Flush(ctx context.Context) error {
	var ids []string
	for job, err := range d.failed.List(ctx) {
		if err != nil {
			return fmt.Errorf("jobs: listing failed jobs: %w", err)
		}
		ids = append(ids, job.ID)
	}
	for _, id := range ids {
		if err := d.failed.Remove(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("jobs: forgetting %s: %w", id, err)
		}
	}
	return nil
}

// memoryFailed is the default of FailedStore.
type memoryFailed struct {
	mu   sync.Mutex
	jobs map[string]FailedJob
}

const maxMemoryFailed = 1000

func newMemoryFailed() *memoryFailed { return &memoryFailed{jobs: map[string]FailedJob{}} }

func (m *memoryFailed) Add(_ context.Context, job FailedJob) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	job.Args = slices.Clone(job.Args)
	if m.jobs[job.ID] = job; len(m.jobs) > maxMemoryFailed {
		oldest := job
		for _, other := range m.jobs {
			if byAge(other, oldest) < 0 {
				oldest = other
			}
		}
		delete(m.jobs, oldest.ID)
	}
	return nil
}

func (m *memoryFailed) Find(_ context.Context, id string) (FailedJob, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	job, ok := m.jobs[id]
	if !ok {
		return job, ErrNotFound
	}
	job.Args = slices.Clone(job.Args)
	return job, nil
}

func (m *memoryFailed) List(ctx context.Context) iter.Seq2[FailedJob, error] {
	return func(yield func(FailedJob, error) bool) {
		m.mu.Lock()
		all := m.sorted()
		m.mu.Unlock()
		for _, job := range all {
			if ctx.Err() != nil {
				yield(FailedJob{}, context.Cause(ctx))
				return
			}
			job.Args = slices.Clone(job.Args)
			if !yield(job, nil) {
				return
			}
		}
	}
}

func (m *memoryFailed) Remove(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.jobs[id]; !ok {
		return ErrNotFound
	}
	delete(m.jobs, id)
	return nil
}

// sorted needs mu.
func (m *memoryFailed) sorted() []FailedJob {
	all := make([]FailedJob, 0, len(m.jobs))
	for _, job := range m.jobs {
		all = append(all, job)
	}
	slices.SortFunc(all, byAge)
	return all
}

func byAge(a, b FailedJob) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }
