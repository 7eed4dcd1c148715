package jobs_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/jobs/jobstest"
)

func TestMemoryLocks(t *testing.T) {
	t.Parallel()
	jobstest.Locks(t, func(*testing.T) jobs.Locks { return jobs.NewMemoryLocks() })
}

func TestMemoryFailed(t *testing.T) {
	t.Parallel()
	jobstest.Failed(t, func(*testing.T) jobs.FailedStore { return jobs.NewMemoryFailed() })
}

func TestMemoryBatches(t *testing.T) {
	t.Parallel()
	jobstest.Batches(t, func(*testing.T) jobs.BatchStore { return jobs.NewMemoryBatches() })
}

func TestExpiredLocksTakeNoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := jobs.NewMemoryLocks()
		for n := range 100_000 {
			if mine, err := l.Lock(t.Context(), fmt.Sprint(n), "a", time.Minute); !mine || err != nil {
				t.Fatal(mine, err)
			}
			<-time.After(time.Second)
		}
		if n := jobs.HeldLocks(l); n > 2000 {
			t.Errorf("%d locks are kept while 60 are held", n)
		}
	})
}

func TestTheNewestThousandFailuresAreKept(t *testing.T) {
	t.Parallel()
	s := jobs.NewMemoryFailed()
	at := time.Now()
	for n := range 1500 {
		must(t, s.Add(t.Context(), jobs.FailedJob{ID: fmt.Sprint(n), Args: json.RawMessage("1"), At: at.Add(time.Duration(n))}))
	}
	n := 0
	for job, err := range s.List(t.Context()) {
		must(t, err)
		if want := fmt.Sprint(500 + n); job.ID != want {
			t.Fatalf("job %d is %s, want %s", n, job.ID, want)
		}
		n++
	}
	if n != 1000 {
		t.Errorf("%d kept", n)
	}
}

func TestFinishedBatchesMakeRoomAndOthersStay(t *testing.T) {
	t.Parallel()
	s := jobs.NewMemoryBatches()
	for n := range 1000 {
		b := jobs.BatchState{ID: fmt.Sprint(n)}
		if n == 7 {
			b.FinishedAt = time.Now()
		}
		must(t, s.Create(t.Context(), b))
	}
	must(t, s.Create(t.Context(), jobs.BatchState{ID: "one more"}))
	if _, err := s.Find(t.Context(), "7"); err == nil {
		t.Error("the finished batch is still there")
	}
	expectError(t, s.Create(t.Context(), jobs.BatchState{ID: "too much"}), "1000 unfinished batches fill the store")
	for _, id := range []string{"0", "6", "8", "999", "one more"} {
		if _, err := s.Find(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}
