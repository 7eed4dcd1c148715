package rig

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Options are how the rig runs.
type Options struct {
	Scenarios   []string  // how their names begin; none means all
	Contestants []string  // parts of their names; none means all
	Rounds      int       // how often each contestant runs; the table has the medians
	Profile     string    // folder for a processor profile of each client's last run; "" takes none
	Progress    io.Writer // a line for each run
}

// Keys of figures that several scenarios have.
const (
	keyRate  = "rate"
	keyCPU   = "cpu"
	keyP99   = "p99"
	keyTwice = "twice"
	keyLost  = "lost"
)

// figures are what one run measured, by column.
type figures map[string]float64

// String writes them in one line, for the progress.
func (f figures) String() string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(f)) {
		all = append(all, fmt.Sprintf("%s %.4g", key, f[key]))
	}
	return strings.Join(all, ", ")
}

// results are the figures of all scenarios, by scenario and contestant.
type results map[string]map[string]figures

// scenario is one workload.
type scenario struct {
	name        string
	title       string
	contestants []string
	columns     []column
	run         func(ctx context.Context, o Options, contestant string) (figures, error)
	bars        func(all results) []bar
}

// column is one measurement of a scenario.
type column struct {
	key      string
	title    string
	decimals int
	ratio    string // contestant that is 1 in the ratio behind the figure, "" for none
	worst    bool   // of the rounds the worst, not the median: a count that must be zero
}

// bar is a promise and whether it is kept.
type bar struct {
	promise  string
	measured string
	met      bool
}

// atMost and atLeast compare a measurement with its bar.
func atMost(promise string, measured, limit float64, decimals int, unit string) bar {
	return bar{promise, fmt.Sprintf("%.*f%s", decimals, measured, unit), measured <= limit}
}

func atLeast(promise string, measured, limit float64, decimals int, unit string) bar {
	return bar{promise, fmt.Sprintf("%.*f%s", decimals, measured, unit), measured >= limit}
}

// none is the bar of a count that must be zero.
func none(promise string, measured float64) bar { return atMost(promise, measured, 0, 0, "") }

// List names the scenarios.
func List() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = fmt.Sprintf("%-18s %s", s.name, s.title)
	}
	return names
}

// Run measures and writes tables and bars as Markdown. The contestants of a scenario take turns, round by round, so that
// the machine's moods hit all of them.
func Run(ctx context.Context, o Options, out io.Writer) error {
	all := results{}
	for _, s := range scenarios {
		if !chosen(o.Scenarios, s.name, strings.HasPrefix) {
			continue
		}
		runs := map[string][]figures{}
		for round := range max(o.Rounds, 1) {
			for _, c := range s.contestants {
				if !chosen(o.Contestants, c, strings.Contains) {
					continue
				}
				f, err := s.run(ctx, o, c)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", s.name, c, err)
				}
				fmt.Fprintf(o.Progress, "%s, round %d: %s: %s\n", s.name, round+1, c, f)
				runs[c] = append(runs[c], f)
			}
		}
		all[s.name] = map[string]figures{}
		for c, f := range runs {
			all[s.name][c] = s.summary(f)
		}
		s.table(out, all[s.name])
		if s.bars != nil {
			writeBars(out, s.bars(all))
		}
	}
	return nil
}

func chosen(parts []string, name string, matches func(name, part string) bool) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return matches(name, p) })
}

// summary takes the median of each column over the rounds, or the worst.
func (s *scenario) summary(rounds []figures) figures {
	sum := figures{}
	for _, c := range s.columns {
		var values []float64
		for _, f := range rounds {
			if v, has := f[c.key]; has {
				values = append(values, v)
			}
		}
		switch {
		case len(values) == 0:
		case c.worst:
			sum[c.key] = slices.Max(values)
		default:
			slices.Sort(values)
			sum[c.key] = (values[(len(values)-1)/2] + values[len(values)/2]) / 2
		}
	}
	return sum
}

func (s *scenario) table(out io.Writer, all map[string]figures) {
	fmt.Fprintf(out, "\n### %s: %s\n\n| |", s.name, s.title)
	for _, c := range s.columns {
		fmt.Fprintf(out, " %s |", c.title)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---:|", len(s.columns)))
	for _, contestant := range s.contestants {
		f, ran := all[contestant]
		if !ran {
			continue
		}
		fmt.Fprintf(out, "| %s |", contestant)
		for _, c := range s.columns {
			v, has := f[c.key]
			switch one := all[c.ratio][c.key]; {
			case !has:
				fmt.Fprint(out, " – |")
			case one != 0:
				fmt.Fprintf(out, " %.*f (%.2f x) |", c.decimals, v, v/one)
			default:
				fmt.Fprintf(out, " %.*f |", c.decimals, v)
			}
		}
		fmt.Fprintln(out)
	}
}

func writeBars(out io.Writer, bars []bar) {
	if len(bars) == 0 {
		return
	}
	fmt.Fprintf(out, "\n| bar | measured | |\n|---|---|---|\n")
	for _, b := range bars {
		verdict := "**not met**"
		if b.met {
			verdict = "met"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", b.promise, b.measured, verdict)
	}
}

// ratio is one contestant's figure over another's, both of one scenario; 0 when either is missing.
func (r results) ratio(scenario, key, of, over string) float64 {
	if r[scenario][over][key] == 0 {
		return 0
	}
	return r[scenario][of][key] / r[scenario][over][key]
}

// have says that all of these contestants have run.
func (r results) have(scenario string, contestants ...string) bool {
	return !slices.ContainsFunc(contestants, func(c string) bool {
		return !slices.Contains(slices.Collect(maps.Keys(r[scenario])), c)
	})
}
