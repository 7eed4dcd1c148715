package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
)

// Batch is a number of jobs that run in any order and in parallel, with jobs that are dispatched as they
// get on. A job may be a chain, which counts as one.
type Batch struct {
	// ID tells the batch from others. Default: a fresh one. Set it to be able to repeat a dispatch that
	// failed: the same Batch again queues the jobs again and keeps one set of books.
	ID string
	// Name is for people.
	Name string
	// Jobs is what there is to do. None of them may be unique.
	Jobs []Task

	// Then is dispatched when all jobs are done, Catch when the first one has failed for good, Finally when
	// each is done, failed or skipped. They are jobs so that any process can run them, after a crash too. A
	// failed job that is retried and then done counts as done, so Then may come after Finally. Default: none.
	Then, Catch, Finally Task
}

// BatchState is how a batch stands.
type BatchState struct {
	ID, Name string
	Total    int
	// Done, Failed and Skipped count jobs by what became of them; the rest is pending.
	Done, Failed, Skipped int
	// Cancelled says that jobs that have not started are skipped.
	Cancelled bool
	CreatedAt time.Time
	// FinishedAt is when no job was pending any more, zero before.
	FinishedAt time.Time

	Then, Catch, Finally *Callback
}

// Pending is how many jobs are neither done nor failed nor skipped.
func (b *BatchState) Pending() int { return b.Total - b.Done - b.Failed - b.Skipped }

// Callback is what a batch dispatches when something has come about.
type Callback struct {
	// Jobs are the callback's, as JSON that belongs to this package.
	Jobs json.RawMessage
	// By is the job that brought it about, and therefore dispatches it; "" before that. It may do so twice
	// if it crashes between that and noting Sent; the callback's ID is the same then.
	By   string
	Sent bool
}

// ItemState is what became of a job of a batch.
type ItemState string

const (
	itemPending ItemState = ""
	itemDone    ItemState = "done"
	itemFailed  ItemState = "failed"
	itemSkipped ItemState = "skipped"
)

// BatchStore keeps batches. Safe for concurrent use. The package jobstest holds the suite that every
// implementation passes.
//
// The default keeps 1,000 of them in this process's memory, finished ones no longer than it must: it serves batches whose
// jobs all run in the process that dispatched them. A job whose batch is not in the store runs all the same,
// with a warning, and nobody counts it.
type BatchStore interface {
	// Create keeps a new batch. One that has the ID stays as it is.
	Create(ctx context.Context, b BatchState) error
	// Find returns a batch, or ErrNotFound.
	Find(ctx context.Context, id string) (BatchState, error)
	// Update lets change work on the batch and on the state of one of its items, "" if it has none, and keeps
	// both, atomically: no other Update of the batch comes in between. With the item "" there is no item to
	// keep. change has no effect but on its arguments and may be called again. It returns the batch as it is
	// now, or ErrNotFound.
	Update(ctx context.Context, id, item string, change func(b *BatchState, item *ItemState)) (BatchState, error)
}

// DispatchBatch puts the jobs of a batch on the queue, as [Dispatcher.Dispatch] does, and returns its ID.
// After an error some of them may be queued all the same, and count; see Batch.ID.
//
// A failure cancels nothing: the other jobs run. Catch may call CancelBatch.
func (d *Dispatcher) DispatchBatch(ctx context.Context, b Batch) (id string, err error) {
	if b.ID == "" {
		b.ID = newID()
	}
	if err := b.check(); err != nil {
		return "", err
	}
	now := time.Now()
	state := BatchState{ID: b.ID, Name: b.Name, Total: len(b.Jobs), CreatedAt: now.UTC()}
	for _, c := range []struct {
		task Task
		slot **Callback
	}{{b.Then, &state.Then}, {b.Catch, &state.Catch}, {b.Finally, &state.Finally}} {
		if *c.slot, err = newCallback(c.task); err != nil {
			return "", err
		}
	}
	parcels := make([]parcel, len(b.Jobs))
	for i, t := range b.Jobs {
		if parcels[i], err = wrap(t, now); err != nil {
			return "", err
		}
		parcels[i].Batch, parcels[i].Item = b.ID, t.id
	}
	if err := d.batches.Create(ctx, state); err != nil {
		return "", fmt.Errorf("jobs: keeping batch %q: %w", b.Name, err)
	}
	return b.ID, d.put(ctx, parcels...)
}

func (b *Batch) check() error {
	if len(b.Jobs) == 0 {
		return fmt.Errorf("jobs: batch %q has no jobs", b.Name)
	}
	seen := make(map[string]bool, len(b.Jobs))
	var errs []error
	for i := range b.Jobs {
		t := &b.Jobs[i]
		if err := t.check(true); err != nil {
			errs = append(errs, err)
		} else if seen[t.id] {
			errs = append(errs, fmt.Errorf("jobs: batch %q has the task %s of job %q twice: make two tasks", b.Name, t.id, t.def.name))
		}
		seen[t.id] = true
	}
	for _, t := range []Task{b.Then, b.Catch, b.Finally} {
		if t.def != nil {
			errs = append(errs, t.check(true))
		}
	}
	return errors.Join(errs...)
}

func newCallback(t Task) (*Callback, error) {
	if t.def == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	chain, err := links(t.steps())
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(chain)
	if err != nil {
		return nil, fmt.Errorf("jobs: job %q: %w", t.def.name, err)
	}
	return &Callback{Jobs: text}, nil
}

// Batch returns how a batch stands, or ErrNotFound.
func (d *Dispatcher) Batch(ctx context.Context, id string) (BatchState, error) {
	b, err := d.batches.Find(ctx, id)
	if err != nil {
		return b, fmt.Errorf("jobs: batch %s: %w", id, err)
	}
	return b, nil
}

// CancelBatch lets jobs of a batch that have not started be skipped. Those that run go on; they may look at
// Batch. What is skipped counts as such, and Finally comes as usual.
func (d *Dispatcher) CancelBatch(ctx context.Context, id string) error {
	_, err := d.batches.Update(ctx, id, "", func(b *BatchState, _ *ItemState) { b.Cancelled = true })
	if err != nil {
		return fmt.Errorf("jobs: cancelling batch %s: %w", id, err)
	}
	return nil
}

// calledOff skips a job whose batch is cancelled.
func (d *Dispatcher) calledOff(ctx context.Context, a *attempt) (bool, error) {
	if a.env.Batch == "" {
		return false, nil
	}
	b, err := d.batches.Find(ctx, a.env.Batch)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil // settleItem warns
	case err != nil:
		return false, fmt.Errorf("jobs: batch %s of job %q: %w", a.env.Batch, a.info.Name, err)
	case !b.Cancelled:
		return false, nil
	}
	if err := d.settleItem(ctx, a, itemSkipped); err != nil {
		return false, err
	}
	return true, events.Skip(errCancelled)
}

// settleItem notes what became of a job of a batch, if it is one, and dispatches the callbacks that this
// brought about. It may be repeated.
func (d *Dispatcher) settleItem(ctx context.Context, a *attempt, became ItemState) error {
	if a.env.Batch == "" {
		return nil
	}
	now := time.Now().UTC()
	b, err := d.batches.Update(ctx, a.env.Batch, a.env.Item, func(b *BatchState, item *ItemState) {
		b.settle(a.env.Item, item, became, now)
	})
	if errors.Is(err, ErrNotFound) {
		d.log.Warn("the batch of a job is not known here: is its store shared, and large enough?",
			zap.String("job", a.info.Name), zap.String("id", a.info.ID), zap.String("batch", a.env.Batch))
		return nil
	}
	if err != nil {
		return fmt.Errorf("noting it in batch %s: %w", a.env.Batch, err)
	}
	for _, pick := range []func(*BatchState) *Callback{
		func(b *BatchState) *Callback { return b.Catch },
		func(b *BatchState) *Callback { return b.Then },
		func(b *BatchState) *Callback { return b.Finally },
	} {
		if err := d.callBack(ctx, a, pick(&b), pick); err != nil {
			return err
		}
	}
	return nil
}

// settle counts an item once, whatever is reported of it how often. What is done stays done.
func (b *BatchState) settle(id string, was *ItemState, became ItemState, now time.Time) {
	if *was == itemDone || *was == became || *was == itemFailed && became == itemSkipped {
		return
	}
	for _, c := range []struct {
		state ItemState
		count *int
	}{{itemDone, &b.Done}, {itemFailed, &b.Failed}, {itemSkipped, &b.Skipped}} {
		if *was == c.state {
			*c.count--
		}
		if became == c.state {
			*c.count++
		}
	}
	*was = became
	if became == itemFailed {
		b.Catch.broughtAbout(id)
	}
	if b.Done == b.Total {
		b.Then.broughtAbout(id)
	}
	if b.Pending() == 0 && b.FinishedAt.IsZero() {
		b.FinishedAt = now
		b.Finally.broughtAbout(id)
	}
}

func (c *Callback) broughtAbout(by string) {
	if c != nil && c.By == "" {
		c.By = by
	}
}

// callBack dispatches a callback that the attempt's job brought about, unless that is done.
func (d *Dispatcher) callBack(ctx context.Context, a *attempt, c *Callback, pick func(*BatchState) *Callback) error {
	if c == nil || c.By != a.env.Item || c.Sent {
		return nil
	}
	var chain []link
	if err := json.Unmarshal(c.Jobs, &chain); err != nil || len(chain) == 0 {
		return fmt.Errorf("callback of batch %s is not what this package writes: %w", a.env.Batch, err)
	}
	if err := d.follow(ctx, a, next(chain, "", "", time.Now())); err != nil {
		return err
	}
	_, err := d.batches.Update(ctx, a.env.Batch, "", func(b *BatchState, _ *ItemState) { pick(b).Sent = true })
	if err != nil {
		return fmt.Errorf("noting the callback in batch %s: %w", a.env.Batch, err)
	}
	return nil
}
