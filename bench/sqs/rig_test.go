package rig

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Each contestant must do the work that it is measured at.

func TestConsumersDrainTheQueue(t *testing.T) {
	t.Parallel()
	for name := range contestants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := slowLoad{n: 100, visibility: 30 * time.Second, at: 4, slowCost: 2 * time.Second}
			f, err := slowHandlers(t.Context(), Options{}, l, name)
			if err != nil {
				t.Fatal(err)
			}
			want(t, f, "twice", "lost", "left")
		})
	}
}

func TestSendersSend(t *testing.T) {
	t.Parallel()
	for name := range senders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := publishTruth(t.Context(), Options{}, 100, 8, 0, false, name)
			if err != nil {
				t.Fatal(err)
			}
			want(t, f, "absent", "refused", "double")
			if f["told"] != 100 {
				t.Errorf("%v publishes were answered with nil, want 100", f["told"])
			}
		})
	}
}

func TestLivesTellDuplicatesAndLosses(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	l := lives{
		all: []life{
			{N: 0, Sent: at(1), Received: []time.Time{at(2)}, Deleted: at(5)},        // well handled
			{N: 1, Sent: at(1), Received: []time.Time{at(2), at(8)}, Deleted: at(9)}, // handled twice
			{N: 2, Sent: at(1), Received: []time.Time{at(2)}},                        // handled, not deleted
			{N: 3, Sent: at(1), Received: []time.Time{at(2)}, Deleted: at(4)},        // deleted, never handled
			{N: 4, Sent: at(1), Received: []time.Time{at(2)}},                        // received only
		},
		runs: []run{
			{N: 0, Began: at(3), Ended: at(4)},
			{N: 1, Began: at(3), Ended: at(4)},
			{N: 2, Began: at(4), Ended: at(5)},
			{N: 1, Began: at(9), Ended: at(10)},
		},
	}
	for what, got := range map[string][2]int{
		"twice": {l.twice(), 1}, "again": {l.again(), 1}, "lost": {l.lost(), 1}, "unstarted": {l.unstarted(), 2},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}
	if got := quantile(l.waits(), 1); got != 2000 {
		t.Errorf("longest wait: %v ms, want 2000: a wait begins at the newest receive before the handler", got)
	}
	if got := quantile(l.latencies(), 0.5); got != 3000 {
		t.Errorf("median latency: %v ms, want 3000", got)
	}
}

func TestTableHasMediansRatiosAndWorst(t *testing.T) {
	t.Parallel()
	s := scenario{
		name: "some", title: "a title", contestants: []string{ours, strong},
		columns: []column{{key: "rate", title: "rate", ratio: strong}, {key: "twice", title: "twice", worst: true}},
	}
	all := map[string]figures{
		ours:   s.summary([]figures{{"rate": 300, "twice": 0}, {"rate": 100, "twice": 2}, {"rate": 200, "twice": 0}}),
		strong: s.summary([]figures{{"rate": 90}, {"rate": 110}}),
	}
	var out bytes.Buffer
	s.table(&out, all)
	for _, line := range []string{"| fxpond | 200 (2.00 x) | 2 |", "| strong loop | 100 (1.00 x) | – |"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the table lacks %q:\n%s", line, out.String())
		}
	}
}

func TestBarsSayWhetherTheyAreMet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writeBars(&out, []bar{atMost("at most 2", 3, 2, 0, ""), atLeast("at least 2", 3, 2, 0, "")})
	for _, line := range []string{"| at most 2 | 3 | **not met** |", "| at least 2 | 3 | met |"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the bars lack %q:\n%s", line, out.String())
		}
	}
}
