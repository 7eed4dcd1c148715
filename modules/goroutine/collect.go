package goroutine

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Map calls fn for every item, as Parallel would, and returns the results, each at its item's index.
// The error joins those of all items that failed; their results are zero.
func Map[T, R any](ctx context.Context, p *Pool, items []T, fn func(ctx context.Context, item T) (R, error)) ([]R, error) {
	if fn == nil {
		return nil, errNilFunc
	}
	results := make([]R, len(items))
	err := p.each(ctx, len(items), pcOf(fn), func(ctx context.Context, i int) error {
		r, err := fn(ctx, items[i])
		if err == nil {
			results[i] = r
		}
		return err
	})
	return results, err
}

// ForEach calls fn for every item, as Parallel would. The error joins those of all items that failed.
func ForEach[T any](ctx context.Context, p *Pool, items []T, fn func(ctx context.Context, item T) error) error {
	if fn == nil {
		return errNilFunc
	}
	return p.each(ctx, len(items), pcOf(fn), func(ctx context.Context, i int) error { return fn(ctx, items[i]) })
}

// Batch calls fn for every size items, the last time for what is left, as Parallel would. fn must not
// append to its batch. The error joins those of all batches that failed.
func Batch[T any](ctx context.Context, p *Pool, items []T, size int, fn func(ctx context.Context, batch []T) error) error {
	if fn == nil {
		return errNilFunc
	}
	if size < 1 {
		return fmt.Errorf("goroutine: batch size is %d; use one or more", size)
	}
	n := (len(items) + size - 1) / size
	return p.each(ctx, n, pcOf(fn), func(ctx context.Context, i int) error {
		end := min((i+1)*size, len(items))
		return fn(ctx, items[i*size:end:end])
	})
}

// each joins fn(0) to fn(n-1).
func (p *Pool) each(ctx context.Context, n int, pc uintptr, fn func(context.Context, int) error) error {
	if n == 0 {
		return nil
	}
	g := group{n: n, each: fn, pc: pc}
	var failed []error
	for i, err := range g.join(ctx, p) {
		if err != nil {
			failed = append(failed, fmt.Errorf("item %d: %w", i, err))
		}
	}
	return errors.Join(failed...)
}

// ForEachSeq is ForEach for a sequence. The caller's goroutine draws the items, at most twice the
// pool's limit ahead of the oldest task, so the sequence may be endless. It stops drawing when ctx ends.
func ForEachSeq[T any](ctx context.Context, p *Pool, items iter.Seq[T], fn func(ctx context.Context, item T) error) error {
	if fn == nil {
		return errNilFunc
	}
	w := window{pool: p, pc: pcOf(fn)}
	defer func() { _ = w.wait(ctx) }() // should the sequence panic
	for item := range items {
		if !w.run(ctx, func(ctx context.Context) error { return fn(ctx, item) }) {
			break
		}
	}
	return w.wait(ctx)
}

// BatchSeq is Batch for a sequence; it draws like ForEachSeq. Each batch is a slice of its own.
func BatchSeq[T any](ctx context.Context, p *Pool, items iter.Seq[T], size int, fn func(ctx context.Context, batch []T) error) error {
	if size < 1 {
		return fmt.Errorf("goroutine: batch size is %d; use one or more", size)
	}
	return ForEachSeq(ctx, p, chunks(items, size), fn)
}

func chunks[T any](items iter.Seq[T], size int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		var batch []T
		for item := range items {
			batch = append(batch, item)
			if len(batch) == size {
				if !yield(batch) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// windowPerSlot keeps the workers busy while the oldest function of a window is a slow one.
const windowPerSlot = 2

func (p *Pool) width() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

// window runs functions in order of submission and bounds how many of them there are at once.
type window struct {
	pool    *Pool
	pc      uintptr
	flights []*Future[struct{}]
	drawn   int
	failed  []error
}

// run submits fn; it first waits for the oldest one if the window is full. It answers false when ctx
// has ended.
func (w *window) run(ctx context.Context, fn func(context.Context) error) bool {
	if ctx.Err() != nil {
		w.failed = append(w.failed, context.Cause(ctx))
		return false
	}
	if len(w.flights) >= windowPerSlot*w.pool.width() {
		w.waitOldest(ctx)
	}
	f := async(ctx, w.pool, w.pc, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	w.flights = append(w.flights, f)
	return true
}

func (w *window) waitOldest(ctx context.Context) {
	f := w.flights[0]
	w.flights = w.flights[1:]
	// Whoever submitted it must not leave before it: so without ctx's cancellation.
	if _, err := f.Await(context.WithoutCancel(ctx)); err != nil {
		w.failed = append(w.failed, fmt.Errorf("item %d: %w", w.drawn, err))
	}
	w.drawn++
}

func (w *window) wait(ctx context.Context) error {
	for len(w.flights) > 0 {
		w.waitOldest(ctx)
	}
	return errors.Join(w.failed...)
}
