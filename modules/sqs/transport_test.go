package sqs_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// countingConn counts the writes on it.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestAClientForPollersWritesARequestAtOnce(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.Start(sqslocal.Config{})
	must(t, err)
	defer func() { must(t, srv.Close()) }()
	url, err := srv.CreateQueue("work", nil)
	must(t, err)
	var writes atomic.Int64
	var transport *http.Transport
	client := srv.Client(func(o *awssqs.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
			transport = tr
			tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return countingConn{conn, &writes}, err
			}
		})
		sqs.ForPollers(o)
	})
	defer func() { transport.CloseIdleConnections() }()
	bodies := []string{"small", strings.Repeat("x", 15_000)}
	for _, body := range bodies {
		_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(body)})
		must(t, err)
	}
	if n := writes.Load(); n != int64(len(bodies)) {
		t.Errorf("%d requests were %d writes", len(bodies), n)
	}

	// One that does not fit into the transport's buffer arrives as well.
	long := strings.Repeat("y", 200_000)
	sent, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &long})
	must(t, err)
	if aws.ToString(sent.MD5OfMessageBody) == "" {
		t.Error("no checksum in the answer")
	}
}
