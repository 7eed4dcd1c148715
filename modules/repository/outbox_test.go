package repository_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/repository/internal/dbtest"
)

// inbox is a publisher that keeps what it gets, and fails as told.
type inbox struct {
	mu   sync.Mutex
	got  []events.Any
	came chan struct{}
	fail func(e events.Any) error
}

func newInbox() *inbox { return &inbox{came: make(chan struct{}, 1)} }

func (p *inbox) Publish(_ context.Context, all ...events.Any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range all {
		if p.fail != nil {
			if err := p.fail(e); err != nil {
				return err
			}
		}
		p.got = append(p.got, e)
	}
	select {
	case p.came <- struct{}{}:
	default:
	}
	return nil
}

func (p *inbox) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, e := range p.got {
		ids = append(ids, e.ID)
	}
	return ids
}

func (p *inbox) wait(t testing.TB, n int) []string {
	t.Helper()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		if ids := p.ids(); len(ids) >= n {
			return ids
		}
		select {
		case <-p.came:
		case <-timeout.C:
			t.Fatalf("%d of %d events came: %v", len(p.ids()), n, p.ids())
		}
	}
}

func outbox(t testing.TB, db *repository.DB, to events.Publisher, cfg repository.OutboxConfig) *repository.Outbox {
	t.Helper()
	o, err := repository.NewOutbox(db, to, cfg)
	must(t, err)
	must(t, o.Start(t.Context()))
	t.Cleanup(func() { must(t, o.Stop(context.Background())) })
	return o
}

func note(id, key string) events.Any {
	e := events.Any{ID: id, Name: "note.taken", Source: "test", Timestamp: time.Unix(1, 2).UTC(), Data: map[string]string{"id": id}}
	if key != "" {
		e.Metadata = map[string]string{"publish.group": key}
	}
	return e
}

func TestAnEventIsPublishedIfItsTransactionCommits(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		in := newInbox()
		o := outbox(t, db, in, repository.OutboxConfig{Poll: time.Hour}) // woken, not polled
		if err := o.Add(ctx, note("lone", "")); !errors.Is(err, repository.ErrNoTx) {
			t.Errorf("Add without a transaction: %v", err)
		}
		fail := errors.New("fail")
		must(t, db.Transaction(ctx, func(ctx context.Context) error {
			must(t, o.Add(ctx, note("kept", "k")))
			if err := db.Transaction(ctx, func(ctx context.Context) error {
				must(t, o.Add(ctx, note("savepoint", "")))
				return fail
			}); !errors.Is(err, fail) {
				t.Error(err)
			}
			return nil
		}))
		_ = db.Transaction(ctx, func(ctx context.Context) error { must(t, o.Add(ctx, note("rolled back", ""))); return fail })
		must(t, o.Publish(ctx, note("on its own", "")))
		got := in.wait(t, 2)
		slices.Sort(got)
		if !slices.Equal(got, []string{"kept", "on its own"}) {
			t.Errorf("published %q", got)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		kept := in.got[slices.IndexFunc(in.got, func(e events.Any) bool { return e.ID == "kept" })]
		e, err := events.As[map[string]string](kept)
		if err != nil || e.Data["id"] != e.ID || e.Name != "note.taken" || e.Source != "test" || !e.Timestamp.Equal(time.Unix(1, 2)) || e.Metadata["publish.group"] != "k" {
			t.Errorf("published %+v, %v", e, err)
		}
	})
}

func TestManyRelaysKeepTheOrderOfEachKey(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		in := newInbox()
		const keys, each, free = 20, 20, 200
		recorder, err := repository.NewOutbox(db, nil, repository.OutboxConfig{})
		must(t, err)
		for i := range each {
			must(t, db.Transaction(t.Context(), func(ctx context.Context) error {
				for k := range keys {
					must(t, recorder.Add(ctx, note(fmt.Sprintf("%02d-%03d", k, i), fmt.Sprint("key", k))))
				}
				for f := range free / each {
					must(t, recorder.Add(ctx, note(fmt.Sprintf("free-%d-%d", i, f), "")))
				}
				return nil
			}))
		}
		for range 4 {
			outbox(t, db, in, repository.OutboxConfig{Batch: 17, Poll: time.Millisecond})
		}
		got := in.wait(t, keys*each+free)
		next := map[string]int{}
		seen := map[string]bool{}
		for _, id := range got {
			if seen[id] {
				t.Errorf("%s came twice", id)
			}
			seen[id] = true
			if key, number, ok := strings.Cut(id, "-"); ok && key != "free" {
				if number != fmt.Sprintf("%03d", next[key]) {
					t.Errorf("key %s: %s came where %03d was due", key, number, next[key])
				}
				next[key]++
			}
		}
	})
}

// A transaction that records events and stays open must keep nobody else's from being published and noted.
func TestAnOpenTransactionHoldsUpNobody(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		if db.Driver() == "sqlite" {
			t.Skip("it has one writer at a time")
		}
		in := newInbox()
		o := outbox(t, db, in, repository.OutboxConfig{Poll: 5 * time.Millisecond})
		must(t, db.Transaction(ctx, func(open context.Context) error {
			must(t, o.Add(open, note("open", "k"), note("open, unkeyed", "")))
			for round := range 5 { // nearly all of the table at once, which an optimizer would rather scan
				var all []events.Any
				for i := range 40 {
					all = append(all, note(fmt.Sprint("other", round, i), ""), note(fmt.Sprint("keyed", round, i), "k2"))
				}
				must(t, o.Publish(ctx, all...))
				in.wait(t, 80*(round+1))
			}
			for deadline := time.Now().Add(20 * time.Second); ; {
				s, err := o.Stats(ctx)
				must(t, err)
				if s.Pending == 0 {
					return nil
				}
				if time.Now().After(deadline) {
					t.Errorf("%d published events are not noted", s.Pending)
					return nil
				}
			}
		}))
		in.wait(t, 402)
	})
}

func TestARefusedEventIsParkedAndHoldsItsKey(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		in := newInbox()
		refuse := true
		in.fail = func(e events.Any) error {
			if e.ID == "bad" && refuse {
				return events.Permanent(errors.New("too large"))
			}
			return nil
		}
		o := outbox(t, db, in, repository.OutboxConfig{MaxFaults: 1, Poll: 5 * time.Millisecond})
		must(t, o.Publish(ctx, note("bad", "k"), note("behind", "k"), note("other", "j"), note("free", "")))
		if got := in.wait(t, 2); slices.Contains(got, "behind") {
			t.Errorf("published %q", got)
		}
		parked := waitParked(t, o)
		if parked.EventID != "bad" || parked.Key != "k" || parked.Faults != 1 || parked.Event != "note.taken" || !strings.Contains(parked.LastError, "too large") {
			t.Errorf("parked: %+v", parked)
		}
		if s, err := o.Stats(ctx); err != nil || s.Pending != 1 || s.Parked != 1 || s.Lag <= 0 {
			t.Errorf("stats %+v, %v", s, err)
		}
		in.mu.Lock()
		refuse = false
		in.mu.Unlock()
		if n, err := o.Requeue(ctx, parked.ID, 999); n != 1 || err != nil {
			t.Errorf("requeued %d, %v", n, err)
		}
		if got := in.wait(t, 4); slices.Index(got, "bad") > slices.Index(got, "behind") {
			t.Errorf("published %q", got)
		}

		in.mu.Lock()
		refuse = true
		in.mu.Unlock()
		must(t, o.Publish(ctx, note("bad", "k"), note("after", "k")))
		if n, err := o.Discard(ctx, waitParked(t, o).ID); n != 1 || err != nil {
			t.Errorf("discarded %d, %v", n, err)
		}
		in.wait(t, 5) // the key is free again
	})
}

func waitParked(t testing.TB, o *repository.Outbox) repository.Parked {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		list, err := o.Parked(t.Context(), 0, 10)
		must(t, err)
		if len(list) > 0 {
			return list[0]
		}
	}
	t.Fatal("nothing was parked")
	return repository.Parked{}
}

func TestATransportErrorIsRetriedAndHoldsItsKey(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		db := open(t, repository.Config{})
		in := newInbox()
		tries := 0
		in.fail = func(e events.Any) error {
			if e.ID == "1" {
				if tries++; tries == 1 {
					panic("a publisher's bug is an error like others")
				}
			}
			return nil
		}
		o := outbox(t, db, in, repository.OutboxConfig{Poll: 5 * time.Millisecond})
		must(t, o.Publish(t.Context(), note("1", "k"), note("2", "k"), note("3", "k"), note("free", "")))
		if got := in.wait(t, 4); !slices.Equal(got, []string{"free", "1", "2", "3"}) {
			t.Errorf("published %q", got)
		}
		if s, err := o.Stats(t.Context()); err != nil || s.Parked != 0 {
			t.Errorf("stats %+v, %v", s, err)
		}
	})
}

// A relay that dies after publishing, before it could note that, repeats its batch and nothing else.
func TestADeadRelayRepeatsAtMostItsBatch(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, newDSN func(testing.TB) string) {
		dsn := newDSN(t)
		cfg := repository.Config{DSN: dsn}
		db := start(t, cfg)
		recorder, err := repository.NewOutbox(db, nil, repository.OutboxConfig{})
		must(t, err)
		var all []events.Any
		for i := range 60 {
			all = append(all, note(fmt.Sprintf("%02d", i), fmt.Sprint("k", i%3)))
		}
		must(t, recorder.Publish(t.Context(), all...))

		doomed, err := repository.NewDB(cfg)
		must(t, err)
		must(t, doomed.Start(t.Context()))
		first := newInbox()
		first.fail = func(events.Any) error { return doomed.Stop(context.Background()) } // no result can be noted
		dying, err := repository.NewOutbox(doomed, first, repository.OutboxConfig{Batch: 10, Lease: 300 * time.Millisecond})
		must(t, err)
		must(t, dying.Start(t.Context()))
		lost := slices.Clone(first.wait(t, 10))
		must(t, dying.Stop(context.Background()))

		heir := newInbox()
		o := outbox(t, db, heir, repository.OutboxConfig{Poll: 5 * time.Millisecond})
		got := heir.wait(t, 60)
		for i := range 3 {
			var line []string
			for _, id := range got {
				if n := 0; mustScan(t, id, &n)%3 == i {
					line = append(line, id)
				}
			}
			if !slices.IsSorted(line) || len(line) != 20 {
				t.Errorf("key %d came as %q", i, line)
			}
		}
		if len(lost) != 10 {
			t.Errorf("the dead relay had published %d", len(lost))
		}
		for s := (repository.OutboxStats{Pending: 1}); s.Pending > 0; {
			s, err = o.Stats(t.Context())
			must(t, err)
		}
	})
}

func mustScan(t testing.TB, id string, n *int) int {
	t.Helper()
	if _, err := fmt.Sscanf(id, "%d", n); err != nil {
		t.Fatal(err)
	}
	return *n
}

func TestStopFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	db := openFile(t, repository.Config{})
	in := newInbox()
	entered, leave := make(chan struct{}), make(chan struct{})
	in.fail = func(events.Any) error { close(entered); <-leave; return nil }
	o, err := repository.NewOutbox(db, in, repository.OutboxConfig{ShutdownTimeout: time.Minute})
	must(t, err)
	must(t, o.Start(t.Context()))
	must(t, o.Publish(t.Context(), note("1", "")))
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- o.Stop(context.Background()) }()
	close(leave)
	must(t, <-stopped)
	if s, err := o.Stats(t.Context()); err != nil || s.Pending != 0 {
		t.Errorf("the batch in hand was left: %+v, %v", s, err)
	}
}

func TestModelEventsCommitWithTheChange(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, open opener) {
		ctx := t.Context()
		db := open(t, repository.Config{})
		in := newInbox()
		o := outbox(t, db, in, repository.OutboxConfig{})
		r := users(t, db, repository.WithEvents(o, func(op repository.Op, u *User) (events.Any, bool) {
			return note(fmt.Sprintf("%s %s", op, u.Email), "users"), op != repository.Updated
		}))
		u := User{Email: "a@x"}
		must(t, r.Create(ctx, &u))
		if err := r.Create(ctx, &User{Email: "a@x"}); !errors.Is(err, repository.ErrDuplicate) {
			t.Error(err)
		}
		must(t, r.Update(ctx, &u))
		if _, err := r.Delete(ctx, u.ID); err != nil {
			t.Error(err)
		}
		if got := in.wait(t, 2); !slices.Equal(got, []string{"created a@x", "deleted a@x"}) {
			t.Errorf("published %q", got)
		}
	})
}

func TestOutboxRefusesNonsense(t *testing.T) {
	t.Parallel()
	db := start(t, repository.Config{})
	if _, err := repository.NewOutbox(db, nil, repository.OutboxConfig{Batch: -1, Lease: -1, Poll: -1, MaxFaults: -1}); err == nil {
		t.Error("an impossible config was taken")
	}
	o, err := repository.NewOutbox(db, nil, repository.OutboxConfig{})
	must(t, err)
	for _, e := range []events.Any{{Name: "no.id"}, {ID: "1", Name: "bad..name"}, {ID: "1", Name: "no.json", Data: func() {}}} {
		if err := o.Publish(t.Context(), e); err == nil {
			t.Errorf("recorded %+v", e)
		}
	}
	must(t, o.Stop(t.Context()))
}
