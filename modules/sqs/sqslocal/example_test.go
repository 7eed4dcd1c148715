package sqslocal_test

import (
	"context"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func Example() {
	srv, err := sqslocal.Start(sqslocal.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close() //nolint:errcheck // the end of the example
	url, err := srv.CreateQueue("orders", nil)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	client := srv.Client() // or your own, with the endpoint srv.URL()
	if _, err := client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("one coffee")}); err != nil {
		log.Fatal(err)
	}
	got, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*got.Messages[0].Body)
	// Output: one coffee
}

// The journal tells what became of each message.
func ExampleServer_Journal() {
	srv, err := sqslocal.New(sqslocal.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close() //nolint:errcheck // the end of the example
	url, err := srv.CreateQueue("orders", nil)
	if err != nil {
		log.Fatal(err)
	}
	client := srv.Client()
	ctx := context.Background()
	sent, err := client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("one coffee")})
	if err != nil {
		log.Fatal(err)
	}
	got, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: got.Messages[0].ReceiptHandle}); err != nil {
		log.Fatal(err)
	}
	for _, e := range srv.Journal().Of(*sent.MessageId) {
		fmt.Println(e.Queue, e.What, e.Receives)
	}
	// Output:
	// orders sent 0
	// orders received 1
	// orders deleted 1
}

// Faults come from rules, or from a profile by name.
func ExampleServer_SetFaults() {
	srv, err := sqslocal.New(sqslocal.Config{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close() //nolint:errcheck // the end of the example
	url, err := srv.CreateQueue("orders", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.SetFaults(sqslocal.Fault{Effect: sqslocal.Throttle, Action: "SendMessage", Times: 1}); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		_, err := srv.Client().SendMessage(context.Background(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
		fmt.Println("refused:", err != nil)
	}
	fmt.Println("throttled:", srv.Faulted("throttle"))
	// Output:
	// refused: true
	// refused: false
	// throttled: 1
}
