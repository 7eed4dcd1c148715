package rig

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Number is the payload of every message: which one it is.
type Number struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// filler makes a message as long as a small business event.
var filler = strings.Repeat("a sign-up with a name and an address. ", 5)

// body is the JSON of the n-th message.
func body(n int) string {
	raw, _ := json.Marshal(Number{N: n, Text: filler}) // two plain fields
	return string(raw)
}

// work is the handler, the same for every contestant.
type work struct {
	cost      time.Duration
	slowEvery int // each so-many-th message takes slowCost
	slowCost  time.Duration
	ledger    *os.File // nil keeps none

	seen   []atomic.Uint32 // how often each number was handled
	count  atomic.Int64
	twice  atomic.Int64
	target atomic.Int64

	mu      sync.Mutex
	reached chan usage // of the target
}

func newWork(j job) (*work, error) {
	w := &work{cost: j.Cost, slowEvery: j.SlowEvery, slowCost: j.SlowCost, seen: make([]atomic.Uint32, j.N)}
	w.target.Store(-1)
	if j.Ledger != "" {
		var err error
		if w.ledger, err = os.OpenFile(j.Ledger, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// body handles a message as the rivals get it.
func (w *work) body(ctx context.Context, raw []byte) error {
	var n Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return err
	}
	return w.handle(ctx, n)
}

// handle works on one message. One whose ctx ends is not handled.
func (w *work) handle(ctx context.Context, n Number) error {
	if n.N < 0 || n.N >= len(w.seen) {
		return fmt.Errorf("message %d is none of the %d", n.N, len(w.seen))
	}
	var began time.Time
	if w.ledger != nil {
		began = time.Now()
	}
	cost := w.cost
	if isSlow(n.N, w.slowEvery) {
		cost = w.slowCost
	}
	if cost > 0 {
		timer := time.NewTimer(cost)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	if w.ledger != nil {
		if err := w.record(n.N, began); err != nil {
			return err
		}
	}
	if w.seen[n.N].Add(1) > 1 {
		w.twice.Add(1)
	}
	if w.count.Add(1) == w.target.Load() {
		w.hit()
	}
	return nil
}

// isSlow says which message of every so many is slow.
func isSlow(n, every int) bool { return every > 0 && n%every == every/2 }

func (w *work) hit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reached != nil {
		w.reached <- w.usage()
		w.reached = nil
	}
}

// await returns the usage at the moment when n messages were handled, or when patience ended.
func (w *work) await(n int64, patience time.Duration) usage {
	reached := make(chan usage, 1)
	w.mu.Lock()
	w.reached = reached
	w.mu.Unlock()
	w.target.Store(n)
	if w.count.Load() >= n {
		w.hit()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case u := <-reached:
		return u
	case <-timer.C:
		w.mu.Lock()
		w.reached = nil
		w.mu.Unlock()
		return w.usage()
	}
}

// usage is the process's own, with what it has handled for it.
func (w *work) usage() usage {
	u := readUsage()
	u.Count, u.Twice = w.count.Load(), w.twice.Load()
	return u
}

// missing counts numbers that were never handled.
func (w *work) missing() int {
	n := 0
	for i := range w.seen {
		if w.seen[i].Load() == 0 {
			n++
		}
	}
	return n
}

// run is one line of the ledger: a message that was handled. The ledger outlives a killed process.
type run struct {
	N            int
	Began, Ended time.Time
}

const lineSize = 24

func (w *work) record(n int, began time.Time) error {
	var line [lineSize]byte
	binary.LittleEndian.PutUint64(line[0:], uint64(n)) //nolint:gosec // a count
	binary.LittleEndian.PutUint64(line[8:], uint64(began.UnixNano()))
	binary.LittleEndian.PutUint64(line[16:], uint64(time.Now().UnixNano()))
	_, err := w.ledger.Write(line[:]) // O_APPEND makes each write one line
	return err
}

// readLedger reads what a process has handled, in the order in which it ended.
func readLedger(path string) ([]run, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	runs := make([]run, 0, len(raw)/lineSize)
	for ; len(raw) >= lineSize; raw = raw[lineSize:] {
		field := func(at int) int64 { return int64(binary.LittleEndian.Uint64(raw[at:])) } //nolint:gosec // written above
		runs = append(runs, run{N: int(field(0)), Began: time.Unix(0, field(8)), Ended: time.Unix(0, field(16))})
	}
	return runs, nil
}
