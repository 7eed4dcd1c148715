package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

type order struct {
	ID    int    `json:"id"`
	Buyer string `json:"buyer"`
}

var orderPaid = events.NewTopic[order]("order.paid")

// shop is a publisher of one queue on an SQS in the process; in production the client comes from
// NewClient and Fx builds the rest.
func shop(queue string) (*sqs.Publisher, func()) {
	srv, err := sqslocal.New(sqslocal.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.CreateQueue(queue, nil); err != nil {
		log.Fatal(err)
	}
	p, err := sqs.NewPublisher(sqs.Config{Publish: []sqs.Route{{Pattern: "order.**", Queue: queue, GroupBy: "buyer"}}}, srv.Client())
	if err != nil {
		log.Fatal(err)
	}
	return p, func() {
		if err := errors.Join(p.Stop(context.Background()), srv.Close()); err != nil {
			log.Fatal(err)
		}
	}
}

// Each caller learns the fate of its own event, whoever shared its request.
func ExamplePublisher_Publish() {
	p, stop := shop("orders")
	defer stop()
	ctx := context.Background()

	fmt.Println(p.Publish(ctx, orderPaid.New(order{ID: 1})))

	err := p.Publish(ctx, orderPaid.New(order{ID: 2}, sqs.WithDelay(time.Hour)))
	if failure, ok := errors.AsType[*sqs.PublishError](err); ok {
		fmt.Println(failure.Event.Data, "not sent:", failure.Err)
	}
	// Output:
	// <nil>
	// {2 } not sent: a delay of 1h0m0s: 15m0s is the longest that SQS offers
}

// PublishAsync fills requests from a single goroutine.
func ExamplePublisher_PublishAsync() {
	p, stop := shop("orders.fifo")
	defer stop()
	ctx := context.Background()

	var pending []*sqs.Pending
	for id := range 3 { // one buyer's orders are a group: they are received in this order
		pending = append(pending, p.PublishAsync(ctx, orderPaid.New(order{ID: id}, events.WithMetadata("buyer", "ada"))))
	}
	last := ""
	for _, one := range pending {
		sent, err := one.Await(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("stored in", sent.To, "in order:", sent.SequenceNumber > last)
		last = sent.SequenceNumber
	}
	// Output:
	// stored in orders.fifo in order: true
	// stored in orders.fifo in order: true
	// stored in orders.fifo in order: true
}

// Delay, fair-queue group and attributes are said where the event is made, and survive an outbox.
func ExampleWithGroup() {
	p, stop := shop("orders")
	defer stop()

	e := orderPaid.New(order{ID: 7, Buyer: "ada"},
		sqs.WithGroup("ada"), sqs.WithDelay(30*time.Second), sqs.WithAttribute("region", "eu"))
	fmt.Println(p.Publish(context.Background(), e))
	// Output: <nil>
}
