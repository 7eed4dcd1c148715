package fxtest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// leakPatience is how long goroutines get to end after the app has stopped.
const leakPatience = 2 * time.Second

var watches atomic.Int64

// leakWatch finds goroutines that outlive the test. It labels the test's goroutine; a goroutine takes
// over the labels of the one that starts it, so other tests may run at the same time.
type leakWatch struct {
	t     testing.TB
	label string
}

func watch(t testing.TB) *leakWatch {
	w := &leakWatch{t: t, label: fmt.Sprintf("%s#%d", t.Name(), watches.Add(1))}
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("fxtest", w.label)))
	return w
}

func (w *leakWatch) check() {
	w.t.Helper()
	pprof.SetGoroutineLabels(context.Background()) // this goroutine itself goes on
	give := time.Now().Add(leakPatience)
	for pause := time.Millisecond; ; pause *= 2 {
		left, err := w.left()
		if err != nil {
			w.t.Errorf("fxtest: reading the goroutine profile: %v", err)
			return
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(give) {
			w.t.Errorf("fxtest: the app has stopped and left goroutines behind:\n\n%s", strings.Join(left, "\n\n"))
			return
		}
		timer := time.NewTimer(pause)
		<-timer.C
	}
}

// left answers the stacks of labelled goroutines. Each paragraph of the profile is one stack with the
// count of its goroutines.
func (w *leakWatch) left() ([]string, error) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil, err
	}
	var left []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", "fxtest", w.label)) {
			left = append(left, stack)
		}
	}
	return left, nil
}
