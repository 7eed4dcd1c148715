package sqs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestConfigErrorsNameFieldValueAndMend(t *testing.T) {
	t.Parallel()
	queue := func(change func(*sqs.Queue)) sqs.Config {
		q := sqs.Queue{Name: "work"}
		change(&q)
		return sqs.Config{Queues: []sqs.Queue{q}}
	}
	for name, test := range map[string]struct {
		cfg  sqs.Config
		want []string
	}{
		"no name":          {queue(func(q *sqs.Queue) { q.Name = "" }), []string{"Queues[0].Name", `""`, "name the queue"}},
		"bad name":         {queue(func(q *sqs.Queue) { q.Name = "wörk" }), []string{"Queues[0].Name", "wörk", "letters, digits"}},
		"long name":        {queue(func(q *sqs.Queue) { q.Name = strings.Repeat("x", 81) }), []string{"80 characters"}},
		"twice":            {sqs.Config{Queues: []sqs.Queue{{Name: "a"}, {Name: "https://sqs.eu-west-1.amazonaws.com/1/a"}}}, []string{"Queues[1].Name", "twice"}},
		"concurrency":      {queue(func(q *sqs.Queue) { q.Concurrency = -2 }), []string{"Queues[0].Concurrency", "-2", "use 0"}},
		"weight":           {queue(func(q *sqs.Queue) { q.Weight = -1 }), []string{"Queues[0].Weight", "-1", "use 0 for the default of 1, or a positive weight"}},
		"doctor":           {sqs.Config{Doctor: "who"}, []string{"Doctor", "who", "DoctorWarn"}},
		"pollers":          {queue(func(q *sqs.Queue) { q.MaxPollers = -1 }), []string{"Queues[0].MaxPollers", "-1"}},
		"wait over 20 s":   {queue(func(q *sqs.Queue) { q.WaitTime = 21 * time.Second }), []string{"Queues[0].WaitTime", "21s", "20s"}},
		"wait in parts":    {queue(func(q *sqs.Queue) { q.WaitTime = 1500 * time.Millisecond }), []string{"Queues[0].WaitTime", "1.5s", "whole seconds"}},
		"wait over stop":   {queue(func(q *sqs.Queue) { q.WaitTime = 10 * time.Second }), []string{"Queues[0].WaitTime", "10s", "ShutdownTimeout (8s)"}},
		"visibility":       {queue(func(q *sqs.Queue) { q.Visibility = 13 * time.Hour }), []string{"Queues[0].Visibility", "13h", "12h"}},
		"back-off":         {queue(func(q *sqs.Queue) { q.Retry = sqs.Backoff{Min: time.Minute, Max: time.Second} }), []string{"Queues[0].Retry.Max", "1s", "1m0s"}},
		"unhandled":        {queue(func(q *sqs.Queue) { q.NoListener = 9 }), []string{"Queues[0].NoListener", "9", "RetryUnhandled"}},
		"event":            {queue(func(q *sqs.Queue) { q.Event = "a..b" }), []string{"Queues[0].Event", "a..b"}},
		"own dead letters": {queue(func(q *sqs.Queue) { q.DeadLetter = "arn:aws:sqs:eu-west-1:1:work" }), []string{"Queues[0].DeadLetter", "itself"}},
		"route pattern":    {sqs.Config{Publish: []sqs.Route{{Pattern: "a.**.b", Queue: "x"}}}, []string{"Publish[0].Pattern", "a.**.b"}},
		"route queue":      {sqs.Config{Publish: []sqs.Route{{Pattern: "a", Queue: ""}}}, []string{"Publish[0].Queue"}},
		"shutdown":         {sqs.Config{ShutdownTimeout: time.Millisecond}, []string{"ShutdownTimeout", "1ms", "at least 1s"}},
		"all at once":      {sqs.Config{ShutdownTimeout: -1, Queues: []sqs.Queue{{Name: "%"}}}, []string{"ShutdownTimeout", "Queues[0].Name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sqs.NewPublisher(test.cfg, nil)
			for _, want := range append(test.want, "sqs.Config.") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error does not contain %q: %v", want, err)
				}
			}
		})
	}
}

func TestWithoutAClientTheErrorSaysWhereToGetOne(t *testing.T) {
	t.Parallel()
	pool, err := goroutine.NewPool(goroutine.Config{})
	must(t, err)
	bus, err := events.NewBus(events.Config{}, pool, nil)
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	_, err = sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: "work"}}}, nil, pool, bus, decoder)
	if err == nil || !strings.Contains(err.Error(), "NewClient") {
		t.Errorf("error is %v", err)
	}
}

// A queue may be given by name, URL or ARN.
func TestQueuesAreFoundByNameURLAndARN(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	defer srv.Close() //nolint:errcheck // nothing runs
	url, err := srv.CreateQueue("work", nil)
	must(t, err)
	pool, err := goroutine.NewPool(goroutine.Config{})
	must(t, err)
	bus, err := events.NewBus(events.Config{}, pool, nil)
	must(t, err)
	decoder, err := events.NewDecoder(events.DecodeConfig{})
	must(t, err)
	for _, ref := range []string{"work", url, "arn:aws:sqs:us-east-1:000000000000:work"} {
		c, err := sqs.NewConsumer(sqs.Config{Queues: []sqs.Queue{{Name: ref}}}, srv.Client(), pool, bus, decoder)
		must(t, err)
		if err := c.Start(t.Context()); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		if got := c.Stats().Queues[0].Name; got != "work" {
			t.Errorf("%s is named %q", ref, got)
		}
		srv.EndPolls()
		must(t, c.Stop(t.Context()))
	}
	must(t, pool.Stop(t.Context()))
}
