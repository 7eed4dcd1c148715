package sqs_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/sqs"
)

// damaging changes the body of one message on its way, once.
type damaging struct {
	sqs.API

	body string
	done atomic.Bool
}

func (d *damaging) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput, opts ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	out, err := d.API.ReceiveMessage(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	for i := range out.Messages {
		if body := aws.ToString(out.Messages[i].Body); strings.Contains(body, d.body) && d.done.CompareAndSwap(false, true) {
			out.Messages[i].Body = aws.String(strings.Replace(body, d.body, "other", 1))
		}
	}
	return out, nil
}

func TestADamagedBodyGoesBackAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, unchecked := range map[string]bool{"checked": false, "unchecked": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen, damaged atomic.Int32
				r := newRig(t, rigConfig{
					config: sqs.Config{DisableChecksums: unchecked},
					api:    func(api sqs.API) sqs.API { return &damaging{API: api, body: "precious"} },
					listeners: []events.Listener{events.On("work.done", "worker", func(_ context.Context, e events.Event[struct{ Text string }]) error {
						seen.Add(1)
						if e.Data.Text == "other" {
							damaged.Add(1)
						}
						return nil
					})},
				})
				r.send(`{"event":"work.done","text":"precious"}`, `{"event":"work.done","text":"plain"}`)
				r.start()
				r.empty()
				want := int32(0)
				if unchecked {
					want = 1
				}
				if seen.Load() != 2 || damaged.Load() != want {
					t.Errorf("%d runs, %d on a damaged body; want 2 and %d", seen.Load(), damaged.Load(), want)
				}
				if got := r.stats().Retried; got != int64(1-want) {
					t.Errorf("%d messages went back, want %d", got, 1-want)
				}
			})
		})
	}
}
