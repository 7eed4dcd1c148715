// Rig measures the sqs module against its rivals and prints Markdown; see the package it runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	rig "github.com/fxpond/fxpond/bench/sqs"
)

func main() {
	rig.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o rig.Options
	var list bool
	var only, contestants string
	set := flag.NewFlagSet("rig", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&only, "run", "", "run the scenarios whose name begins with one of these, with commas between them (default all)")
	set.StringVar(&contestants, "contestants", "", "let the contestants run whose name contains one of these, with commas between them (default all)")
	set.IntVar(&o.Rounds, "rounds", 3, "how often each contestant runs; the tables have the medians")
	set.StringVar(&o.Profile, "profile", "", "write a processor profile of each client into `FOLDER`")
	set.BoolVar(&list, "list", false, "list the scenarios")
	if err := set.Parse(args); err != nil {
		return 2
	}
	if list {
		fmt.Fprintln(stdout, strings.Join(rig.List(), "\n"))
		return 0
	}
	if only != "" {
		o.Scenarios = strings.Split(only, ",")
	}
	if contestants != "" {
		o.Contestants = strings.Split(contestants, ",")
	}
	o.Progress = stderr
	if err := rig.Run(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "rig:", err)
		return 1
	}
	return 0
}
