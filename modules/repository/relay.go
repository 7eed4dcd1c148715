package repository

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	randv2 "math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
)

// outboxSQL are the relay's statements. Claims are serialised by a lock for the few milliseconds they
// take, publishing is not: with SKIP LOCKED instead, four relays put one event in twenty of a key out of
// order, and publish no faster once a send costs a network round trip.
type outboxSQL struct {
	now, due, claim, take, done, retry, release string
}

const (
	claimColumns = "id, event_id, name, source, happened_at, metadata, data, ordering_key, trace, attempts, faults"
	claimSet     = " SET claim = ?, claimed_until = ?, attempts = attempts + 1 WHERE id IN ("
)

func newOutboxSQL(dialect *Dialect, cfg OutboxConfig) outboxSQL {
	held := " OR p.parked_at > 0"
	if cfg.SkipParked {
		held = ""
	}
	// A key is blocked as a whole while one of its events is claimed, waits for a retry or is parked;
	// finding the blocked keys first keeps a long queue behind one of them cheap.
	busy := "p.ordering_key <> '' AND (p.claimed_until > 0 OR p.available_at > 0 OR p.parked_at > 0)"
	if dialect.MySQL {
		busy = "p.busy = 1"
	}
	due := ` FROM fxpond_outbox o
		WHERE o.parked_at = 0 AND o.available_at <= ? AND o.claimed_until < ? AND (o.ordering_key = '' OR o.ordering_key NOT IN (
			SELECT p.ordering_key FROM fxpond_outbox p
			WHERE ` + busy + ` AND (p.claimed_until >= ? OR (p.parked_at = 0 AND p.available_at > ?)` + held + `)))
		ORDER BY o.id LIMIT ?`
	s := outboxSQL{
		now:   "SELECT " + dialect.Clock,
		claim: dialect.Rebind("UPDATE fxpond_outbox" + claimSet + "SELECT o.id" + due + ") RETURNING " + claimColumns),
		done:  "DELETE FROM fxpond_outbox WHERE claim = ? AND id IN (",
		retry: dialect.Rebind(`UPDATE fxpond_outbox SET claim = '', claimed_until = 0, available_at = ?, faults = ?, parked_at = ?, last_error = ?
			WHERE claim = ? AND id = ?`),
		release: "UPDATE fxpond_outbox SET claim = '', claimed_until = 0, attempts = attempts - 1 WHERE claim = ? AND id IN (",
	}
	if dialect.MySQL {
		// No UPDATE returns rows or reads its own table: find, then take. The hints keep short tables from
		// being scanned, which would wait for events whose transactions are still open.
		s.due, s.claim = "SELECT "+claimColumns+due, ""
		s.take = "UPDATE fxpond_outbox FORCE INDEX (PRIMARY)" + claimSet
		s.done = "DELETE o FROM fxpond_outbox AS o FORCE INDEX (PRIMARY) WHERE o.claim = ? AND o.id IN ("
		s.release = strings.Replace(s.release, "fxpond_outbox", "fxpond_outbox FORCE INDEX (PRIMARY)", 1)
	}
	return s
}

// entry is a claimed event.
type entry struct {
	id       int64
	event    events.Any
	key      string
	trace    string
	attempts int
	faults   int

	sent bool
	err  error
}

// publishBatch is the relay's round: claim, publish outside any transaction, note the results.
func (o *Outbox) publishBatch(ctx context.Context) (more bool) {
	token := rand.Text()
	begin := time.Now()
	batch, now, err := o.claim(ctx, token)
	if err != nil {
		if ctx.Err() == nil {
			o.d.log.Warn("outbox cannot be read for now", zap.Error(err))
		}
		return false
	}
	if len(batch) == 0 {
		return false
	}
	// Nothing may be sent when another relay may hold the lease; a tenth of it is for late answers.
	sending, cancel := context.WithDeadline(o.hard, begin.Add(o.cfg.Lease*9/10))
	defer cancel()
	o.send(sending, batch)
	o.settle(token, now+time.Since(begin).Milliseconds(), batch)
	return len(batch) == o.cfg.Batch
}

func (o *Outbox) claim(ctx context.Context, token string) (batch []*entry, now int64, err error) {
	err = o.d.Transaction(ctx, func(ctx context.Context) error {
		if err := o.d.lock(ctx, "outbox"); err != nil {
			return err
		}
		if now, err = o.now(ctx); err != nil {
			return err
		}
		set := []any{token, now + o.cfg.Lease.Milliseconds()}
		find := []any{now, now, now, now, o.cfg.Batch}
		if o.sql.claim != "" {
			batch, err = o.entries(ctx, o.sql.claim, append(set, find...)...)
			return err
		}
		if batch, err = o.entries(ctx, o.sql.due, find...); err != nil {
			return err
		}
		ids := make([]int64, len(batch))
		for i, e := range batch {
			e.attempts++
			ids[i] = e.id
		}
		return o.each(ctx, o.sql.take, ids, set...)
	})
	slices.SortFunc(batch, func(a, b *entry) int { return cmp.Compare(a.id, b.id) }) // RETURNING has no order
	return batch, now, err
}

func (o *Outbox) entries(ctx context.Context, query string, args ...any) (batch []*entry, err error) {
	rows, err := o.d.SQL(ctx).QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // its error is in rows.Err
	for rows.Next() {
		e, err := claimed(rows)
		if err != nil {
			return nil, err
		}
		batch = append(batch, e)
	}
	return batch, rows.Err()
}

// now is the database's clock in Unix milliseconds, so that the clocks of processes need not agree.
func (o *Outbox) now(ctx context.Context) (ms int64, err error) {
	if o.d.dialect.Clock == "" {
		return time.Now().UnixMilli(), nil
	}
	err = o.d.SQL(ctx).QueryRowContext(ctx, o.sql.now).Scan(&ms)
	return ms, err
}

func claimed(rows *sql.Rows) (*entry, error) {
	e := new(entry)
	var happened int64
	var metadata string
	var data []byte
	err := rows.Scan(&e.id, &e.event.ID, &e.event.Name, &e.event.Source, &happened, &metadata, &data, &e.key, &e.trace, &e.attempts, &e.faults)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(metadata), &e.event.Metadata); err != nil {
		return nil, fmt.Errorf("metadata of outbox row %d: %w", e.id, err)
	}
	e.event.Timestamp = time.Unix(0, happened).UTC()
	e.event.Data = events.NewPayload(data)
	return e, nil
}

// send publishes events without a key in parallel and those of a key one after the other; behind a
// failure its successors are not sent. Each event is a call of its own, so that each has a result of its
// own: publishers that can put several into one request, as the SQS publisher does, still do.
func (o *Outbox) send(ctx context.Context, batch []*entry) {
	var all sync.WaitGroup
	keyed := map[string][]*entry{}
	for _, e := range batch {
		if e.key == "" {
			all.Go(func() { o.sendOne(ctx, e) })
		} else {
			keyed[e.key] = append(keyed[e.key], e)
		}
	}
	for _, line := range keyed {
		all.Go(func() {
			for _, e := range line {
				if o.sendOne(ctx, e); e.err != nil || !e.sent {
					return
				}
			}
		})
	}
	all.Wait()
}

func (o *Outbox) sendOne(ctx context.Context, e *entry) {
	if ctx.Err() != nil {
		return // not tried
	}
	defer func() {
		if v := recover(); v != nil {
			e.err = &goroutine.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	carrier := propagation.MapCarrier{}
	_ = json.Unmarshal([]byte(e.trace), &carrier) // written by record
	e.err = goroutine.ErrGoexit                   // unless it returns
	e.err = o.to.Publish(propagation.TraceContext{}.Extract(ctx, carrier), e.event)
	e.sent = e.err == nil
}

// settleTimeout bounds the note of results. It comes after the lease's last tenth has begun at worst; a
// note that comes too late finds another claim on the rows and changes nothing.
const settleTimeout = 5 * time.Second

// settle notes what became of a batch, even while stopping. What cannot be noted is published again when
// the lease ends.
func (o *Outbox) settle(token string, now int64, batch []*entry) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	var done, untried []int64
	var failed []*entry
	for _, e := range batch {
		switch {
		case e.sent:
			done = append(done, e.id)
		case e.err == nil || o.hard.Err() != nil:
			untried = append(untried, e.id)
		default:
			failed = append(failed, e)
		}
	}
	err := o.d.Transaction(ctx, func(ctx context.Context) error {
		if err := o.each(ctx, o.sql.done, done, token); err != nil {
			return err
		}
		if err := o.each(ctx, o.sql.release, untried, token); err != nil {
			return err
		}
		for _, e := range failed {
			if err := o.fail(ctx, token, now, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.d.log.Warn("outbox results not noted, the batch is published again when its lease ends", zap.Int("events", len(batch)), zap.Error(err))
	}
}

// each runs a statement that ends in a list of ids.
func (o *Outbox) each(ctx context.Context, query string, ids []int64, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		args = append(args, id)
	}
	_, err := o.d.SQL(ctx).ExecContext(ctx, o.d.dialect.Rebind(query+strings.Repeat("?, ", len(ids)-1)+"?)"), args...)
	return err
}

func (o *Outbox) fail(ctx context.Context, token string, now int64, e *entry) error {
	pause := min(time.Second<<min(e.attempts-1, 6), time.Minute)
	available, parked := now+(pause/2+randv2.N(pause/2)).Milliseconds(), int64(0)
	level := zap.WarnLevel
	if goroutine.IsPermanent(e.err) {
		e.faults++
		if e.faults >= o.cfg.MaxFaults {
			parked, level = now, zap.ErrorLevel
		}
	}
	o.d.log.Log(level, "event not published", zap.String("event", e.event.Name), zap.String("id", e.event.ID),
		zap.Int("attempts", e.attempts), zap.Bool("parked", parked > 0), zap.Error(e.err))
	message := e.err.Error()
	if len(message) > 1000 {
		message = strings.ToValidUTF8(message[:1000], "")
	}
	_, err := o.d.SQL(ctx).ExecContext(ctx, o.sql.retry, available, e.faults, parked, message, token, e.id)
	return err
}
