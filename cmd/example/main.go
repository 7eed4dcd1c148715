// The example is a small sign-up service: POST /users stores a user and an event in one transaction, the
// outbox sends the event to SQS, listeners handle it on the worker pool, and the books are balanced in the
// end. It needs nothing but Go:
//
//	go run ./cmd/example                   # 1,000 sign-ups, then it keeps serving
//	go run ./cmd/example -once -n 100000   # exit code 0 only if the books balance
//	go run ./cmd/example -once -input FILE # message bodies of your own, one a line
//	go run ./cmd/example -graph            # the Fx graph, in DOT
//
// SQS and SQLite run inside the process. With SQS_QUEUE set to a queue's name it is AWS, or whatever
// AWS_ENDPOINT_URL_SQS names, by the AWS SDK's own environment variables; DATABASE_URL chooses the database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

type flags struct {
	n     int
	once  bool
	input string
	graph bool
	addr  string
	ops   string
	token string
	log   bool
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var f flags
	set := flag.NewFlagSet("example", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.IntVar(&f.n, "n", 1000, "how many sign-ups to send")
	set.BoolVar(&f.once, "once", false, "exit after the table, with 0 only if the books balance")
	set.StringVar(&f.input, "input", "", "send the lines of `FILE` (- for standard input) as message bodies instead, in any envelope")
	set.BoolVar(&f.graph, "graph", false, "print the Fx graph in DOT and exit")
	set.StringVar(&f.addr, "addr", "127.0.0.1:0", "where POST /users is served")
	set.StringVar(&f.ops, "ops", "127.0.0.1:0", "where the ops page, probes and metrics are served")
	set.StringVar(&f.token, "token", "", "let the ops page pause queues and redrive dead letters, with this `TOKEN` of 16 characters or more")
	set.BoolVar(&f.log, "log", false, "print the modules' log")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case f.n < 0:
		fmt.Fprintf(stderr, "-n %d: send 0 or more sign-ups\n", f.n)
		return 2
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "%q: unknown argument; -input FILE names a file\n", set.Arg(0))
		return 2
	}
	balanced, err := serve(ctx, f, stdin, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "example:", err)
		return 1
	}
	if !balanced {
		return 1
	}
	return 0
}

// serve runs the app around one load.
func serve(ctx context.Context, f flags, stdin io.Reader, stdout io.Writer) (balanced bool, err error) {
	var graph fx.DotGraph
	var parts struct {
		fx.In
		Load  *load
		Books *books
		DB    *repository.DB
		Ops   *ops.Server
	}
	app := fx.New(options(f), fx.Populate(&graph, &parts))
	if err := app.Err(); err != nil {
		return false, err
	}
	if f.graph {
		_, err := fmt.Fprintln(stdout, graph)
		return true, errors.Join(err, parts.DB.Stop(ctx)) // nothing was started, so no hook closes it
	}

	startCtx, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(startCtx); err != nil {
		return false, err
	}
	defer func() {
		stopCtx, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
		defer cancel()
		err = errors.Join(err, app.Stop(stopCtx))
	}()

	if err := parts.Books.open(ctx); err != nil {
		return false, err
	}
	fmt.Fprintln(stdout, parts.Load.where)
	if f.input == "" {
		err = parts.Load.signUps(ctx, f.n, stdout)
	} else {
		err = parts.Load.lines(ctx, f.input, stdin, stdout)
	}
	if err != nil {
		return false, err
	}
	if balanced, err = parts.Books.close(ctx, stdout); err != nil || f.once {
		return balanced, err
	}
	fmt.Fprintf(stdout, "\nServing until Ctrl-C. The ops page is http://%s/, and this adds to it:\n  curl -d '{\"name\":\"Ada\",\"email\":\"ada@example.com\"}' %s/users\n",
		parts.Ops.Addr(), parts.Load.url())
	<-ctx.Done()
	return balanced, nil
}
