// Command sqslocal serves Amazon SQS on this machine, for any language's SDK:
//
//	go run ./modules/sqs/sqslocal/cmd/sqslocal -addr 127.0.0.1:9324 -queues orders,orders-dead,audit.fifo
//	AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324 aws sqs list-queues
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// ballast is memory that is never touched and so takes none. It keeps the collector from running every few megabytes while the
// queues are short, which took about a tenth of the CPU at full speed. A heap of many messages dwarfs it.
var ballast = make([]byte, 64<<20)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	runtime.KeepAlive(ballast)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out, complaints io.Writer) error {
	var cfg sqslocal.Config
	flags := flag.NewFlagSet("sqslocal", flag.ContinueOnError)
	flags.SetOutput(complaints)
	flags.StringVar(&cfg.Addr, "addr", "127.0.0.1:9324", "`address` to listen on; nothing checks signatures, so keep it on loopback")
	flags.StringVar(&cfg.Region, "region", "", "`region` in ARNs (default us-east-1)")
	flags.StringVar(&cfg.Account, "account", "", "12-digit `account` in ARNs and queue URLs (default 000000000000)")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "`seed` of everything drawn at random; 0 draws one")
	flags.StringVar(&cfg.Snapshot, "snapshot", "", "`file` that keeps queues and messages over a restart")
	flags.BoolVar(&cfg.DisableCooldowns, "no-cooldowns", false, "allow purging and re-creating a queue within 60 seconds")
	profile := flags.String("faults", "", "fault `profile`: slow, flaky, throttled, partial, duplicates, cut-polls, outage or chaos")
	queues := flags.String("queues", "", "comma-separated `names` of queues to create")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		faults, err := sqslocal.Profile(*profile)
		if err != nil {
			return err
		}
		cfg.Faults = faults
	}
	srv, err := sqslocal.Start(cfg)
	if err != nil {
		return err
	}
	if err := announce(srv, *queues, out); err != nil {
		return errors.Join(err, srv.Close())
	}
	<-ctx.Done()
	return srv.Close()
}

// announce creates the queues and says where everything is.
func announce(srv *sqslocal.Server, queues string, out io.Writer) error {
	if _, err := fmt.Fprintln(out, "sqslocal serves SQS on", srv.URL()); err != nil {
		return err
	}
	for name := range strings.SplitSeq(queues, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		url, err := srv.CreateQueue(name, nil)
		if err != nil {
			return fmt.Errorf("creating queue %q: %w", name, err)
		}
		if _, err := fmt.Fprintln(out, "queue", url); err != nil {
			return err
		}
	}
	return nil
}
