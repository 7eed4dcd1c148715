package events_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fxpond/fxpond/modules/events"
)

func TestNamesAndPatternsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text          string
		name, pattern string // what the error says; empty: it is fine
	}{
		{text: "user.created"},
		{text: "user"},
		{text: `App\Jobs\SendInvoice`},
		{text: "aws.s3.Object Created"},
		{text: "größe.geändert"},
		{text: "", name: "empty", pattern: "empty"},
		{text: ".user", name: "empty segment", pattern: "empty segment"},
		{text: "user.", name: "empty segment", pattern: "empty segment"},
		{text: "a..b", name: "empty segment", pattern: "empty segment"},
		{text: "user\ncreated", name: "not printable", pattern: "not printable"},
		{text: "user\xff", name: "not UTF-8", pattern: "not UTF-8"},
		{text: strings.Repeat("x", 256), name: "longer than 255 bytes", pattern: "longer than 255 bytes"},
		{text: "user.*", name: "wildcards"},
		{text: "*.created", name: "wildcards"},
		{text: "user.**", name: "wildcards"},
		{text: "**", name: "wildcards"},
		{text: "user.**.x", name: "wildcards", pattern: "last segment"},
		{text: "us*r", name: "wildcards", pattern: "whole segment"},
		{text: "user.***", name: "wildcards", pattern: "whole segment"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			expectError(t, events.CheckName(tc.text), tc.name)
			expectError(t, events.CheckPattern(tc.text), tc.pattern)
		})
	}
}

func expectError(t *testing.T, err error, contains string) {
	t.Helper()
	switch {
	case contains == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case contains != "" && (err == nil || !strings.Contains(err.Error(), contains)):
		t.Errorf("error is %v, want one with %q", err, contains)
	}
}

// matches is the definition of routing, written to be obviously right.
func matches(pattern, name []string) bool {
	switch {
	case len(pattern) == 0 || len(name) == 0:
		return len(pattern) == len(name)
	case pattern[0] == "**":
		return true
	case pattern[0] == "*" || pattern[0] == name[0]:
		return matches(pattern[1:], name[1:])
	}
	return false
}

func TestMatchAgreesWithItsDefinition(t *testing.T) {
	t.Parallel()
	segment := rapid.SampledFrom([]string{"a", "b", "user"})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SliceOfN(segment, 1, 4).Draw(t, "name")
		pattern := rapid.SliceOfN(rapid.OneOf(segment, rapid.Just("*")), 1, 4).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "tail") {
			pattern = append(pattern, "**")
		}
		if got := events.Match(strings.Join(pattern, "."), strings.Join(name, ".")); got != matches(pattern, name) {
			t.Errorf("Match(%v, %v) is %v", pattern, name, got)
		}
	})
}

func TestRoutingAgreesWithItsDefinition(t *testing.T) {
	t.Parallel()
	segment := rapid.SampledFrom([]string{"a", "b", "c", "user"})
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			segments := rapid.SliceOfN(rapid.OneOf(segment, rapid.Just("*")), 0, 4).Draw(t, "segments")
			if len(segments) == 0 || rapid.Bool().Draw(t, "tail") {
				segments = append(segments, "**")
			}
			return strings.Join(segments, ".")
		}), 0, 20).Draw(t, "patterns")
		name := strings.Join(rapid.SliceOfN(segment, 1, 5).Draw(t, "name"), ".")

		var want []string
		orders := make(map[string]int)
		routes := events.NewTestRoutes()
		for i, pattern := range patterns {
			id := fmt.Sprintf("%03d", i)
			orders[id] = rapid.IntRange(-1, 1).Draw(t, "order")
			routes.Add(id, pattern, orders[id])
			if matches(strings.Split(pattern, "."), strings.Split(name, ".")) {
				want = append(want, id)
			}
		}
		slices.SortStableFunc(want, func(a, b string) int { return orders[a] - orders[b] })
		if got := routes.Match(name); !slices.Equal(got, want) {
			t.Fatalf("%q routed to %v, want %v of %v", name, got, want, patterns)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{{"user.*", "user.created"}, {"**", "x"}, {"a.**", "a"}, {"*.*", "a.b"}, {"a..b", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if events.CheckPattern(pattern) != nil || events.CheckName(name) != nil {
			return
		}
		routes := events.NewTestRoutes()
		routes.Add("l", pattern, 0)
		want := matches(strings.Split(pattern, "."), strings.Split(name, "."))
		if got := len(routes.Match(name)) == 1; got != want {
			t.Errorf("pattern %q on %q: %v, want %v", pattern, name, got, want)
		}
	})
}
