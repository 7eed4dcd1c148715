package rig

import (
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// The promises that do not depend on the clock, on small loads, with real processes and real signals.

func want(t *testing.T, f figures, zero ...string) {
	t.Helper()
	t.Log(f)
	for _, key := range zero {
		if v, measured := f[key]; !measured || v != 0 {
			t.Errorf("%s: %v (measured: %v), want 0", key, v, measured)
		}
	}
}

func TestSlowHandlersAreNotHandledTwiceAndHoldNobodyUp(t *testing.T) {
	t.Parallel()
	l := slowLoad{
		n: 60, cost: 10 * time.Millisecond, slowEvery: 20, slowCost: 3 * time.Second,
		visibility: time.Second, at: 8,
	}
	f, err := slowHandlers(t.Context(), Options{}, l, ours)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f, "twice", "lost", "left", "behind")
}

func TestSIGTERMStrandsAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	l := termLoad{n: 600, cost: 200 * time.Millisecond, latency: 15 * time.Millisecond, after: 800 * time.Millisecond, at: 32}
	f, err := terminate(t.Context(), Options{}, l, ours)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f, "twice", "invisible", "lost")
	if f["handled"] == 0 || f["handled"] == float64(l.n) {
		t.Errorf("%v of %d messages were handled: SIGTERM did not come in mid-load", f["handled"], l.n)
	}
}

func TestFaultsLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	l := faultLoad{n: 2000, latency: 2 * time.Millisecond, visibility: 2 * time.Second, patience: 20 * time.Second}
	f, err := bearFaults(t.Context(), Options{}, l, ours, true)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f, "twice", "lost", "left")
	if f["success"] >= 1 {
		t.Error("no call has failed: the faults are not in force")
	}
}

func TestPublishersLearnTheFateOfTheirOwnEntries(t *testing.T) {
	t.Parallel()
	const n = 1000
	f, err := publishTruth(t.Context(), Options{}, n, 32, 0, false, ours,
		sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch", Probability: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	want(t, f, "absent", "despite", "double")
	if f["told"]+f["refused"] != n || f["refused"] == 0 {
		t.Errorf("%v publishes were answered with nil and %v with an error, want %d together and some of each", f["told"], f["refused"], n)
	}
}

func TestKilledPublisherHasSentWhatItAnsweredFor(t *testing.T) {
	t.Parallel()
	f, err := publishTruth(t.Context(), Options{}, 10_000, 64, 5*time.Millisecond, true, ours)
	if err != nil {
		t.Fatal(err)
	}
	want(t, f, "absent")
	if f["told"] == 0 || f["told"] == 10_000 {
		t.Errorf("%v publishes were answered: the kill did not come in mid-load", f["told"])
	}
}
