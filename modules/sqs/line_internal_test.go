package sqs

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestLineKeepsOrderAndCounts compares the line with what it promises after every step: the order inside
// groups, the limits of a request, and counts that agree with what it holds.
func TestLineKeepsOrderAndCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const maxBytes = 100
		l := line{maxBytes: maxBytes, packed: rapid.Bool().Draw(rt, "packed")}
		numbers := map[*entry]int{}
		var inLine, flying []*entry // in the order of push
		taken := map[string]int{}   // by group, the last number that was taken
		next := 0

		push := func(rt *rapid.T) {
			e := &entry{size: rapid.IntRange(1, maxBytes).Draw(rt, "size")}
			if g := rapid.IntRange(0, 3).Draw(rt, "group"); g > 0 {
				e.order = fmt.Sprint("g", g)
			}
			next++
			numbers[e] = next
			l.push(e)
			inLine = append(inLine, e)
		}
		take := func(rt *rapid.T) {
			could := l.takeable
			batch := l.take()
			bytes := 0
			seen := map[string]bool{}
			for _, e := range batch {
				bytes += e.size
				if e.order == "" {
					continue
				}
				if seen[e.order] && !l.packed {
					rt.Fatalf("two entries of %s in a request", e.order)
				}
				for _, f := range flying {
					if f.order == e.order {
						rt.Fatalf("%s is in two requests at once", e.order)
					}
				}
				if numbers[e] < taken[e.order] {
					rt.Fatalf("%d of %s was taken after %d", numbers[e], e.order, taken[e.order])
				}
				seen[e.order], taken[e.order] = true, numbers[e]
			}
			if len(batch) > maxBatch || bytes > maxBytes || could > 0 && len(batch) == 0 {
				rt.Fatalf("took %d entries of %d bytes, and %d were takeable", len(batch), bytes, could)
			}
			flying = append(flying, batch...)
			inLine = slices.DeleteFunc(inLine, func(e *entry) bool { return slices.Contains(batch, e) })
		}
		rt.Repeat(map[string]func(*rapid.T){
			"push":  push,
			"push2": push,
			"take":  take,
			"done": func(rt *rapid.T) {
				if len(flying) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(flying)-1).Draw(rt, "which")
				l.done(flying[i])
				flying = slices.Delete(flying, i, i+1)
			},
			"remove": func(rt *rapid.T) {
				if len(inLine)+len(flying) == 0 {
					rt.Skip()
				}
				all := slices.Concat(inLine, flying)
				e := all[rapid.IntRange(0, len(all)-1).Draw(rt, "which")]
				if in := slices.Contains(inLine, e); l.remove(e) != in {
					rt.Fatalf("remove of an entry in line: %v", in)
				}
				inLine = slices.DeleteFunc(inLine, func(f *entry) bool { return f == e })
			},
			"": func(rt *rapid.T) { checkLine(rt, &l, inLine, flying) },
		})
		rest := l.drain()
		if len(rest) != len(inLine) || l.waiting != 0 || l.takeable != 0 || l.takeableBytes != 0 {
			rt.Fatalf("drained %d of %d; %d waiting, %d takeable of %d bytes", len(rest), len(inLine), l.waiting, l.takeable, l.takeableBytes)
		}
	})
}

func checkLine(rt *rapid.T, l *line, inLine, flying []*entry) {
	busy := map[string]bool{}
	for _, e := range flying {
		if e.order != "" {
			busy[e.order] = true
		}
	}
	takeable, bytes := 0, 0
	shown := map[string]bool{}
	for _, e := range inLine {
		if e.order != "" && (busy[e.order] || shown[e.order] && !l.packed) {
			continue
		}
		shown[e.order] = true
		takeable++
		bytes += e.size
	}
	if l.waiting != len(inLine) || l.takeable != takeable || l.takeableBytes != bytes {
		rt.Fatalf("waiting %d, takeable %d of %d bytes; want %d, %d of %d", l.waiting, l.takeable, l.takeableBytes, len(inLine), takeable, bytes)
	}
}
