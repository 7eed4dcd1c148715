package jobstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
)

// Failed tests that an implementation keeps what jobs.FailedStore promises.
func Failed(t *testing.T, open func(t *testing.T) jobs.FailedStore) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, jobs.FailedStore){
		"KeepsJobsWhole":             failedWhole,
		"KeepsOneOfAnID":             failedReplaces,
		"ListsTheLongestFailedFirst": failedInOrder,
		"Removes":                    failedRemoves,
		"BearsChangesWhileItLists":   failedChangesInLoop,
		"EndsWithItsContext":         failedEndsWithContext,
		"LosesNothingToConcurrency":  failedConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func failed(id string, minute int) jobs.FailedJob {
	return jobs.FailedJob{ID: id, Name: "job", Args: json.RawMessage("1"), Error: "why", Attempts: 1, At: noon.Add(time.Duration(minute) * time.Minute)}
}

func add(t *testing.T, s jobs.FailedStore, all ...jobs.FailedJob) {
	t.Helper()
	for _, job := range all {
		if err := s.Add(t.Context(), job); err != nil {
			t.Fatalf("Add(%s): %v", job.ID, err)
		}
	}
}

func list(t *testing.T, s jobs.FailedStore) (ids []string) {
	t.Helper()
	for job, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		ids = append(ids, job.ID)
	}
	return ids
}

func failedWhole(t *testing.T, s jobs.FailedStore) {
	want := jobs.FailedJob{
		ID: "1", Name: "job-ü", Args: json.RawMessage(`{"id":12345678901234567890,"text":"<é>"}`),
		Error: "line 1\nline 2: \"quoted\"", Attempts: 7, At: noon.Add(123 * time.Millisecond), Envelope: `{"chain":[]}`,
	}
	add(t, s, want)
	found, err := s.Find(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	for job, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []jobs.FailedJob{found, job} {
			same := got.ID == want.ID && got.Name == want.Name && string(got.Args) == string(want.Args) && got.Error == want.Error &&
				got.Attempts == want.Attempts && got.At.Equal(want.At) && got.Envelope == want.Envelope
			if !same {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
	}
}

func failedReplaces(t *testing.T, s jobs.FailedStore) {
	again := failed("1", 5)
	again.Attempts = 9
	add(t, s, failed("1", 1), failed("2", 2), again)
	if got := list(t, s); !slices.Equal(got, []string{"2", "1"}) {
		t.Errorf("listed %q", got)
	}
	if got, err := s.Find(t.Context(), "1"); err != nil || got.Attempts != 9 {
		t.Errorf("found %+v, %v", got, err)
	}
}

func failedInOrder(t *testing.T, s jobs.FailedStore) {
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	for _, i := range []int{3, 1, 4, 0, 2} {
		for n := i * 10; n < i*10+10; n++ {
			add(t, s, failed(want[n], n))
		}
	}
	if got := list(t, s); !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	for job, err := range s.List(t.Context()) {
		if err != nil || job.ID != "00" {
			t.Errorf("first is %s, %v", job.ID, err)
		}
		break // must neither panic nor leak
	}
}

func failedRemoves(t *testing.T, s jobs.FailedStore) {
	add(t, s, failed("1", 1), failed("2", 2))
	if err := s.Remove(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), "1"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := s.Find(t.Context(), "1"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("found what was removed: %v", err)
	}
	if got := list(t, s); !slices.Equal(got, []string{"2"}) {
		t.Errorf("left %q", got)
	}
}

func failedChangesInLoop(t *testing.T, s jobs.FailedStore) {
	add(t, s, failed("1", 1), failed("2", 2), failed("3", 3))
	for job, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if job.ID == "new" {
			continue
		}
		if err := s.Remove(t.Context(), job.ID); err != nil {
			t.Errorf("removing %s: %v", job.ID, err)
		}
		add(t, s, failed("new", 4))
	}
	if got := list(t, s); !slices.Equal(got, []string{"new"}) {
		t.Errorf("left %q", got)
	}
}

func failedEndsWithContext(t *testing.T, s jobs.FailedStore) {
	add(t, s, failed("1", 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for job, err := range s.List(ctx) {
		if err == nil {
			t.Errorf("listed %q with a cancelled context", job.ID)
		}
	}
}

func failedConcurrent(t *testing.T, s jobs.FailedStore) {
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := s.Add(t.Context(), failed(id, i)); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					if err := s.Remove(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if got := list(t, s); len(got) != writers*(each/2) {
		t.Errorf("%d jobs, want %d", len(got), writers*(each/2))
	}
}
