// Command sqslocal compares the sqslocal server with the npm package fauxqs, both as processes of their own and in one run:
//
//	npm install --prefix /tmp/fauxqs --no-save --ignore-scripts fauxqs@1.9.2
//	go run ./sqslocal -fauxqs /tmp/fauxqs
//
// With -waiting it measures sqslocal alone, against its own size:
//
//	go run ./sqslocal -waiting 1000000 -polls 1000
//
// Each loop sends ten messages, receives ten and deletes them. CPU is what the operating system charged the server's process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sqslocal", flag.ContinueOnError)
	packages := flags.String("fauxqs", "/tmp/fauxqs", "`folder` where fauxqs is installed")
	root := flags.String("root", "..", "`folder` of the module fxpond")
	messages := flags.Int("n", 100_000, "messages per measurement")
	rounds := flags.Int("rounds", 3, "measurements of each kind; the median counts")
	waiting := flags.Int("waiting", 0, "measure sqslocal with this many `messages` waiting, instead of the comparison")
	polls := flags.Int("polls", 1000, "long polls that wait while nothing happens, with -waiting")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-sqslocal")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	ours, err := startSQSLocal(ctx, *root, dir)
	if err != nil {
		return err
	}
	defer ours.stop()
	if *waiting > 0 {
		return scale(ctx, ours, *waiting, *polls, *messages, out)
	}
	theirs, err := startFauxqs(ctx, *root, *packages)
	if err != nil {
		return err
	}
	defer theirs.stop()
	return compare(ours, theirs, *messages, *rounds, out)
}

// compare measures both servers in turn, so that what else the machine does falls on both.
func compare(ours, theirs *server, messages, rounds int, out io.Writer) error {
	servers := []*server{ours, theirs}
	urls := make([]string, len(servers))
	for i, s := range servers {
		var err error
		if urls[i], err = s.createQueue("bench"); err != nil {
			return err
		}
		if _, err = measure(s, urls[i], 8, messages/5); err != nil { // warm up
			return err
		}
	}
	report := newReport(out)
	report.line("%-6s %-9s %12s %14s\n", "loops", "server", "messages/s", "CPU/message")
	missed := false
	for _, loops := range []int{1, 8, 32} {
		var medians [2]result
		all := [2][]result{}
		for range rounds {
			for i, s := range servers {
				r, err := measure(s, urls[i], loops, messages)
				if err != nil {
					return fmt.Errorf("%s, %d loops: %w", s.name, loops, err)
				}
				all[i] = append(all[i], r)
			}
		}
		for i, s := range servers {
			slices.SortFunc(all[i], func(a, b result) int { return int(a.elapsed - b.elapsed) })
			medians[i] = all[i][len(all[i])/2]
			report.line("%-6d %-9s %12.0f %14s\n", loops, s.name, medians[i].perSecond(), medians[i].cpuPerMessage().Round(10*time.Nanosecond))
		}
		speed := medians[0].perSecond() / medians[1].perSecond()
		cpu := float64(medians[0].cpuPerMessage()) / float64(medians[1].cpuPerMessage())
		report.line("%-6s %-9s %11.1fx %13.0f%%\n", "", "ratio", speed, cpu*100)
		missed = missed || speed < 2 || cpu > 0.5
	}
	if missed {
		return errors.New("the bar is missed: at least twice the messages/s and at most half the CPU of fauxqs")
	}
	return report.err
}
