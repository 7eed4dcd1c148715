package sqs

import (
	"testing"
	"time"
)

// measure lets a trip see full receives at a steady rate for a second and returns its answer.
func measure(t *trip, from time.Time, acked *int64, perSecond int, took time.Duration) int {
	polls := 0
	for i := range 100 {
		*acked += int64(perSecond / 100)
		polls = t.polls(*acked, from.Add(time.Duration(i)*10*time.Millisecond), took)
	}
	return polls
}

func TestAShortRoundTripNeedsFewPolls(t *testing.T) {
	t.Parallel()
	var near, far trip
	var acked int64
	now := time.Unix(1, 0)
	if got := measure(&near, now, &acked, 10_000, time.Millisecond); got != 8 {
		t.Errorf("10,000 messages/s at 1 ms: %d polls, want 8: four times the one in flight, and the spare", got)
	}
	acked = 0
	if got := measure(&far, now, &acked, 10_000, 15*time.Millisecond); got != 64 {
		t.Errorf("10,000 messages/s at 15 ms: %d polls, want 64", got)
	}
}

func TestRequestsThatWaitForOneAnotherDoNotCallForMore(t *testing.T) {
	t.Parallel()
	var one trip
	var acked int64
	now := time.Unix(1, 0)
	before := measure(&one, now, &acked, 10_000, time.Millisecond)
	if got := measure(&one, now.Add(time.Second), &acked, 10_000, 40*time.Millisecond); got != before {
		t.Errorf("%d polls when receives take 40 ms under load, want %d as before: the shortest counts", got, before)
	}
	late := now.Add(time.Second + 2*tripMemory)
	if got := measure(&one, late, &acked, 10_000, 40*time.Millisecond); got <= before {
		t.Errorf("%d polls, want more than %d: the endpoint has been slower for longer than the memory", got, before)
	}
}
