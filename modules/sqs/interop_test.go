package sqs_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// What other systems put into a queue, as their documentation or their wire shows it.
var foreign = map[string]struct{ body, name, has string }{
	"Laravel job": { // what `UserCreated::dispatch()` pushes with the sqs driver
		body: `{"uuid":"5a5b4b3e-5a8e-4a57-a7e5-b2d1b0e2f9aa","displayName":"App\\Jobs\\UserCreated","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"maxExceptions":null,"failOnTimeout":false,"backoff":null,"timeout":null,"retryUntil":null,"data":{"commandName":"App\\Jobs\\UserCreated","command":"O:20:\"App\\Jobs\\UserCreated\":1:{s:2:\"id\";i:7;}"},"createdAt":1747000000,"delay":null}`,
		name: `App\Jobs\UserCreated`, has: `commandName`,
	},
	"SNS notification": { // "HTTP/HTTPS notification JSON format" of the SNS Developer Guide
		body: `{"Type":"Notification","MessageId":"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324","TopicArn":"arn:aws:sns:us-west-2:123456789012:MyTopic","Subject":"user.created","Message":"{\"id\":7}","Timestamp":"2012-05-02T00:54:06.655Z","SignatureVersion":"1","Signature":"EXAMPLEw6JRN...","SigningCertURL":"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem","UnsubscribeURL":"https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96"}`,
		name: "user.created", has: `{"id":7}`,
	},
	"EventBridge event": { // "Amazon EC2 Instance State-change Notification" of the EventBridge User Guide
		body: `{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333","time":"2017-12-22T18:43:48Z","region":"us-west-1","resources":["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],"detail":{"instance-id":"i-1234567890abcdef0","state":"terminated"}}`,
		name: "aws.ec2.EC2 Instance State-change Notification", has: `i-1234567890abcdef0`,
	},
	"SNS in front of EventBridge": {
		body: `{"Type":"Notification","MessageId":"a","TopicArn":"arn:aws:sns:us-west-2:123456789012:Bus","Message":"{\"version\":\"0\",\"id\":\"b\",\"detail-type\":\"paid\",\"source\":\"order\",\"account\":\"1\",\"time\":\"2017-12-22T18:43:48Z\",\"region\":\"us-west-1\",\"resources\":[],\"detail\":{\"total\":12}}","Timestamp":"2012-05-02T00:54:06.655Z","SignatureVersion":"1","Signature":"E","SigningCertURL":"https://x","UnsubscribeURL":"https://x"}`,
		name: "order.paid", has: `"total":12`,
	},
	"plain JSON": {body: `{"event":"user.created","id":7}`, name: "user.created", has: `"id":7`},
}

func TestMessagesOfOtherSystemsAreRead(t *testing.T) {
	t.Parallel()
	for name, sample := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var got []events.Event[string]
				r := newRig(t, rigConfig{listeners: []events.Listener{
					events.On("**", "reader", func(_ context.Context, e events.Event[json.RawMessage]) error {
						mu.Lock()
						defer mu.Unlock()
						got = append(got, events.Event[string]{Name: e.Name, Data: string(e.Data)})
						return nil
					}),
				}}).start()
				r.send(sample.body)
				r.empty()
				mu.Lock()
				defer mu.Unlock()
				if len(got) != 1 || got[0].Name != sample.name || !strings.Contains(got[0].Data, sample.has) {
					t.Errorf("got %+v, want one %q with %s", got, sample.name, sample.has)
				}
			})
		})
	}
}

// What the publisher sends comes back as it was, whichever way.
func TestPublishedEventsComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := make(chan events.Event[payload], 1)
		r := newRig(t, rigConfig{listeners: []events.Listener{
			events.On("work.done", "reader", func(_ context.Context, e events.Event[payload]) error { got <- e; return nil }),
		}}).start()
		p, err := sqs.NewPublisher(sqs.Config{Queues: []sqs.Queue{{Name: r.queue}}}, r.client) // one queue: events go there
		must(t, err)
		sent := numbered("work.done", 7, events.WithSource("shop"), events.WithMetadata("tenant", "acme"), sqs.WithAttribute("plan", "pro"))
		must(t, p.Publish(t.Context(), sent))
		e := <-got
		if e.ID != sent.ID || e.Source != "shop" || e.Data.N != 7 || !e.Timestamp.Equal(sent.Timestamp) || e.Metadata["tenant"] != "acme" || e.Metadata["plan"] != "pro" {
			t.Errorf("got %+v, want %+v", e, sent)
		}
		must(t, p.Stop(t.Context()))
	})
}
