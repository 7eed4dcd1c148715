package loop_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/repository/internal/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCallsComeAtIntervalsThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		l := loop.New(time.Minute, func(context.Context) bool {
			calls = append(calls, time.Now())
			return false
		})
		began := time.Now()
		l.Start()
		l.Start()
		<-time.After(time.Hour)
		stop(t, l)
		if len(calls) < 50 || len(calls) > 70 || !calls[0].Equal(began) {
			t.Fatalf("%d calls in an hour, the first after %v; want about 61, the first at once", len(calls), calls[0].Sub(began))
		}
		same := true
		for i := 1; i < len(calls); i++ {
			interval := calls[i].Sub(calls[i-1])
			same = same && interval == calls[1].Sub(calls[0])
			if interval < 30*time.Second || interval > 90*time.Second {
				t.Errorf("call %d came after %v, want between 30s and 90s", i, interval)
			}
		}
		if same {
			t.Error("all intervals are the same")
		}
	})
}

func TestCallsFollowAtOnceWhileThereIsMoreToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := loop.New(time.Hour, func(context.Context) bool {
			calls++
			return calls < 5
		})
		l.Start()
		synctest.Wait()
		stop(t, l)
		if calls != 5 {
			t.Errorf("%d calls, want 5", calls)
		}
	})
}

func TestKicksDuringACallLeadToOneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := loop.New(time.Hour, func(context.Context) bool {
			calls++
			<-time.After(time.Second)
			return false
		})
		l.Start()
		synctest.Wait()
		for range 3 {
			l.Kick()
		}
		<-time.After(10 * time.Second)
		stop(t, l)
		if calls != 2 {
			t.Errorf("%d calls, want the first and one for the kicks", calls)
		}
	})
}

func TestStopCancelsTheCallAndWaitsAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errLate := errors.New("too late")
		ended := 0
		l := loop.New(time.Hour, func(ctx context.Context) bool {
			<-ctx.Done()
			<-time.After(time.Minute)
			ended++
			return true
		})
		l.Start()
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLate)
		defer cancel()
		if err := l.Stop(ctx); !errors.Is(err, errLate) {
			t.Fatalf("Stop answered %v, want the cause of its context's end", err)
		}
		stop(t, l)
		stop(t, l)
		if ended != 1 {
			t.Fatalf("%d calls have ended, want the one in hand and none after it", ended)
		}
		l.Start()
		synctest.Wait()
		stop(t, l)
		if ended != 2 {
			t.Errorf("%d calls have ended, want another one after the second Start", ended)
		}
	})
}

func TestStopWithoutStart(t *testing.T) {
	stop(t, loop.New(time.Hour, func(context.Context) bool { return false }))
}

func stop(t *testing.T, l *loop.Loop) {
	t.Helper()
	if err := l.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}
