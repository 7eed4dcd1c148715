package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository/internal/loop"
)

// Outbox records events in the caller's transaction and publishes them after its commit: an event is
// published if and only if what it tells of was committed. It is an events.Publisher in front of another.
//
// Publishing is at least once: a crash between the publisher's answer and the note of it repeats at most
// the batch in hand. Events with the same ordering key are published in the order in which they were
// recorded, by however many processes; those who record events of one key in overlapping transactions
// must lock what the key stands for first, because the database numbers rows before they commit.
//
// All its methods may be called concurrently.
type Outbox struct {
	d   *DB
	cfg OutboxConfig
	to  events.Publisher // nil: another process publishes
	sql outboxSQL

	relay *loop.Loop
	hard  context.Context // ends when Stop runs out of patience
	abort context.CancelFunc
}

// OutboxConfig tunes an Outbox.
type OutboxConfig struct {
	// Batch caps the events that are claimed, and published at the same time. Default 100.
	Batch int

	// Lease is how long a process may take to publish a batch before another one may. Default 30s.
	Lease time.Duration

	// Poll is how often to look for events that nobody woke the relay for: those of other processes, of
	// transactions adopted with JoinTx, and those that wait for another try. Default 1s.
	Poll time.Duration

	// MaxFaults is after how many tries an event is parked that the publisher refuses for good, with an
	// error marked permanent. Other errors are retried for ever, after 1s doubling to 1m. Default 5.
	MaxFaults int

	// SkipParked lets later events of a key overtake a parked one. Default false: they wait until it is
	// requeued or discarded.
	SkipParked bool

	// OrderBy is the ordering key of an event; empty means no order. Default: its metadata
	// "publish.group", which is also its message group on SQS.
	OrderBy func(e events.Any) string

	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter wins. Default 1s.
	ShutdownTimeout time.Duration
}

// metadataGroup is what the SQS publisher reads; this package does not import that one.
const metadataGroup = "publish.group"

func (c OutboxConfig) withDefaults() OutboxConfig {
	c.Batch = or(c.Batch, 100)
	c.Lease = or(c.Lease, 30*time.Second)
	c.Poll = or(c.Poll, time.Second)
	c.MaxFaults = or(c.MaxFaults, 5)
	c.ShutdownTimeout = or(c.ShutdownTimeout, time.Second)
	if c.OrderBy == nil {
		c.OrderBy = func(e events.Any) string { return e.Metadata[metadataGroup] }
	}
	return c
}

func (c OutboxConfig) validate() error {
	var errs []error
	for _, f := range []struct {
		field string
		value int64
	}{
		{"Batch", int64(c.Batch)},
		{"Lease", int64(c.Lease)},
		{"Poll", int64(c.Poll)},
		{"MaxFaults", int64(c.MaxFaults)},
		{"ShutdownTimeout", int64(c.ShutdownTimeout)},
	} {
		if f.value < 1 {
			errs = append(errs, fmt.Errorf("repository.OutboxConfig.%s is %d: it must be positive; use 0 for the default", f.field, f.value))
		}
	}
	if c.Batch > 1000 {
		errs = append(errs, fmt.Errorf("repository.OutboxConfig.Batch is %d: a batch holds at most 1000", c.Batch))
	}
	return errors.Join(errs...)
}

// NewOutbox makes an outbox in front of a publisher. Without one (nil) it only records; another process
// publishes.
func NewOutbox(d *DB, to events.Publisher, cfg OutboxConfig) (*Outbox, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	o := &Outbox{d: d, cfg: cfg, to: to, sql: newOutboxSQL(d.dialect, cfg)}
	if to == events.Publisher(o) {
		return nil, errors.New("repository: an outbox cannot publish to itself")
	}
	o.hard, o.abort = context.WithCancel(context.Background())
	o.relay = loop.New(cfg.Poll, o.publishBatch)
	return o, nil
}

var _ events.Publisher = (*Outbox)(nil)

// Add records events in the context's transaction. Without one it is ErrNoTx: an event recorded on its
// own can be lost to a crash before the write it tells of, or tell of one that never was.
func (o *Outbox) Add(ctx context.Context, all ...events.Any) error {
	if !o.d.InTx(ctx) {
		return fmt.Errorf("repository: recording events: %w", ErrNoTx)
	}
	return o.record(ctx, all)
}

// Publish implements events.Publisher: it records the events in the context's transaction, or in one of
// their own. nil means that they will be published if that commits.
func (o *Outbox) Publish(ctx context.Context, all ...events.Any) error {
	return o.d.Transaction(ctx, func(ctx context.Context) error { return o.record(ctx, all) })
}

func (o *Outbox) record(ctx context.Context, all []events.Any) error {
	if len(all) == 0 {
		return nil
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	trace, err := json.Marshal(carrier)
	if err != nil {
		return fmt.Errorf("repository: recording events: %w", err)
	}
	now := time.Now()
	var args []any
	for _, e := range all {
		row, err := eventRow(e, now)
		if err != nil {
			return fmt.Errorf("repository: recording event %q: %w", e.Name, events.Permanent(err))
		}
		args = append(append(args, row[1:7]...), o.cfg.OrderBy(e), string(trace), now.UnixMilli())
	}
	const columns = 9
	for perInsert := appendRows * columns; len(args) > 0; {
		part := args[:min(perInsert, len(args))]
		args = args[len(part):]
		values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?), ", len(part)/columns), ", ")
		query := "INSERT INTO fxpond_outbox (event_id, name, source, happened_at, metadata, data, ordering_key, trace, created_at) VALUES " + values
		if _, err := o.d.SQL(ctx).ExecContext(ctx, o.d.dialect.Rebind(query), part...); err != nil {
			return fmt.Errorf("repository: recording %d events: %w", len(all), o.d.closedOr(o.d.classify(err)))
		}
	}
	if err := o.d.AfterCommit(ctx, func(context.Context) { o.relay.Kick() }); err != nil && !errors.Is(err, ErrForeignTx) {
		return err // a foreign transaction's events wait for the next poll
	}
	return nil
}

// Start publishes what was recorded, by this process or another, until Stop.
func (o *Outbox) Start(context.Context) error {
	if o.to == nil {
		o.d.log.Warn("outbox has no publisher: another process must publish its events; see OutboxTo")
		return nil
	}
	o.relay.Start()
	return nil
}

// Stop claims nothing more and waits for the batch in hand, within min(ctx, ShutdownTimeout); then it
// cancels that. What was not published stays recorded. It is idempotent, and right without Start.
func (o *Outbox) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.ShutdownTimeout)
	defer cancel()
	err := o.relay.Stop(ctx)
	o.abort()
	if err == nil {
		return nil
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return fmt.Errorf("repository: the outbox's relay: %w", errors.Join(err, o.relay.Stop(grace)))
}

// WithEvents publishes model events through an outbox: of turns a change into an event, which is recorded
// in the change's own transaction, or tells that there is none.
func WithEvents[T any](o *Outbox, of func(op Op, row *T) (events.Any, bool)) ModelOption[T] {
	return func(opts *options[T]) {
		opts.after = append(opts.after, func(ctx context.Context, op Op, row *T) error {
			e, ok := of(op, row)
			if !ok {
				return nil
			}
			return o.Add(ctx, e)
		})
	}
}
