package jobstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
)

// Batches tests that an implementation keeps what jobs.BatchStore promises.
func Batches(t *testing.T, open func(t *testing.T) jobs.BatchStore) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, jobs.BatchStore){
		"KeepsBatchesWhole":         batchesWhole,
		"KeepsTheFirstOfAnID":       batchesFirst,
		"KeepsItemsApart":           batchesItems,
		"KnowsWhatItDoesNotHave":    batchesUnknown,
		"LosesNothingToConcurrency": batchesConcurrent,
		"SharesNothing":             batchesShareNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func batch(id string) jobs.BatchState {
	return jobs.BatchState{
		ID: id, Name: "import-ü", Total: 100, CreatedAt: noon.Add(123 * time.Millisecond),
		Then: &jobs.Callback{Jobs: json.RawMessage(`[{"id":"1","args":"<é>"}]`)}, Finally: &jobs.Callback{Jobs: json.RawMessage(`[]`)},
	}
}

func create(t *testing.T, s jobs.BatchStore, b jobs.BatchState) {
	t.Helper()
	if err := s.Create(t.Context(), b); err != nil {
		t.Fatalf("Create(%s): %v", b.ID, err)
	}
}

func find(t *testing.T, s jobs.BatchStore) jobs.BatchState {
	t.Helper()
	b, err := s.Find(t.Context(), "1")
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return b
}

func expectBatch(t *testing.T, got, want jobs.BatchState) {
	t.Helper()
	if !got.CreatedAt.Equal(want.CreatedAt) || !got.FinishedAt.Equal(want.FinishedAt) {
		t.Errorf("created at %v, finished at %v; want %v, %v", got.CreatedAt, got.FinishedAt, want.CreatedAt, want.FinishedAt)
	}
	for _, b := range []*jobs.BatchState{&got, &want} {
		b.CreatedAt, b.FinishedAt = time.Time{}, time.Time{}
	}
	g, err1 := json.Marshal(got)
	w, err2 := json.Marshal(want)
	if err := errors.Join(err1, err2); err != nil || string(g) != string(w) {
		t.Errorf("got  %s\nwant %s, %v", g, w, err)
	}
}

func batchesWhole(t *testing.T, s jobs.BatchStore) {
	want := batch("1")
	create(t, s, want)
	expectBatch(t, find(t, s), want)
	change := func(b *jobs.BatchState) {
		b.Done, b.Failed, b.Skipped, b.Cancelled, b.FinishedAt = 97, 2, 1, true, noon.Add(time.Hour)
		b.Then.By, b.Then.Sent = "item", true
	}
	got, err := s.Update(t.Context(), "1", "", func(b *jobs.BatchState, _ *jobs.ItemState) { change(b) })
	if err != nil {
		t.Fatal(err)
	}
	want = batch("1")
	change(&want)
	expectBatch(t, got, want)
	expectBatch(t, find(t, s), want)
}

func batchesFirst(t *testing.T, s jobs.BatchStore) {
	create(t, s, batch("1"))
	if _, err := s.Update(t.Context(), "1", "a", func(b *jobs.BatchState, item *jobs.ItemState) { b.Done, *item = 1, "done" }); err != nil {
		t.Fatal(err)
	}
	create(t, s, batch("1"))
	if b := find(t, s); b.Done != 1 {
		t.Errorf("creating again reset the batch: %+v", b)
	}
	expectItem(t, s, "1", "a", "done")
}

func expectItem(t *testing.T, s jobs.BatchStore, id, item string, want jobs.ItemState) {
	t.Helper()
	var got jobs.ItemState
	_, err := s.Update(t.Context(), id, item, func(_ *jobs.BatchState, state *jobs.ItemState) { got = *state })
	if err != nil || got != want {
		t.Errorf("item %s of %s is %q, %v; want %q", item, id, got, err, want)
	}
}

func batchesItems(t *testing.T, s jobs.BatchStore) {
	create(t, s, batch("1"))
	create(t, s, batch("2"))
	for _, item := range []string{"a", "b"} {
		for _, state := range []jobs.ItemState{"failed", "done " + jobs.ItemState(item)} {
			if _, err := s.Update(t.Context(), "1", item, func(_ *jobs.BatchState, i *jobs.ItemState) { *i = state }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Update(t.Context(), "1", "", func(_ *jobs.BatchState, i *jobs.ItemState) { *i = "of nobody" }); err != nil {
		t.Fatal(err)
	}
	expectItem(t, s, "1", "a", "done a")
	expectItem(t, s, "1", "b", "done b")
	expectItem(t, s, "1", "c", "")
	expectItem(t, s, "1", "", "")
	expectItem(t, s, "2", "a", "")
}

func batchesUnknown(t *testing.T, s jobs.BatchStore) {
	if _, err := s.Find(t.Context(), "1"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Find: %v", err)
	}
	_, err := s.Update(t.Context(), "1", "a", func(*jobs.BatchState, *jobs.ItemState) { t.Error("changed what is not there") })
	if !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Update: %v", err)
	}
}

// Each item is reported twice, and counted once.
func batchesConcurrent(t *testing.T, s jobs.BatchStore) {
	create(t, s, batch("1"))
	var all sync.WaitGroup
	for range 2 {
		for w := range 4 {
			all.Go(func() {
				for i := range 25 {
					_, err := s.Update(t.Context(), "1", fmt.Sprintf("%d-%d", w, i), func(b *jobs.BatchState, item *jobs.ItemState) {
						if *item == "" {
							*item = "done"
							b.Done++
						}
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if b := find(t, s); b.Done != 100 {
		t.Errorf("%d done, want 100", b.Done)
	}
}

func batchesShareNothing(t *testing.T, s jobs.BatchStore) {
	mine := batch("1")
	create(t, s, mine)
	mine.Then.By = "changed"
	found := find(t, s)
	found.Then.By = "changed"
	updated, err := s.Update(t.Context(), "1", "", func(*jobs.BatchState, *jobs.ItemState) {})
	if err != nil {
		t.Fatal(err)
	}
	updated.Finally.Sent = true
	expectBatch(t, find(t, s), batch("1"))
}
