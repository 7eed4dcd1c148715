package goroutine

import (
	"strings"
	"testing"
	"time"
)

func wantMentions(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not mention %s", err, w)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	want := Config{MinWorkers: 2, QueueSize: 1000, IdleTimeout: 30 * time.Second, ShutdownTimeout: 5 * time.Second, StuckAfter: time.Minute}
	if c != want {
		t.Errorf("got %+v", c)
	}
	if b := c.bounds(2); b != (bounds{floor: 3, start: 4, ceiling: 128}) {
		t.Errorf("bounds %+v", b)
	}
	one := Config{MaxWorkers: 1}.withDefaults()
	if err := one.validate(); err != nil || one.MinWorkers != 1 || one.bounds(8) != (bounds{1, 1, 1}) {
		t.Errorf("%+v: %v", one, err)
	}
}

func TestBadConfigNamesEveryField(t *testing.T) {
	_, err := NewPool(Config{MinWorkers: -2, MaxWorkers: -1, QueueSize: -5, IdleTimeout: -time.Second, ShutdownTimeout: -2, StuckAfter: -3})
	wantMentions(t, err, "MinWorkers is -2", "MaxWorkers is -1", "QueueSize is -5", "IdleTimeout is -1s", "ShutdownTimeout", "StuckAfter", "use 0")
	_, err = NewPool(Config{MinWorkers: 5, MaxWorkers: 3})
	wantMentions(t, err, "MinWorkers is 5", "MaxWorkers (3)")
}
