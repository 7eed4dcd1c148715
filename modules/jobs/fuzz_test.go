package jobs_test

import (
	"context"
	"testing"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
)

// Whatever a message says of a job, it ends in one of the ways a message can end.
func FuzzEnvelope(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `null`, `[]`, `{"max":-5,"timeout":-1,"tries":-9}`, `{"due":"9999-01-01T00:00:00Z"}`, `{"due":"0001-01-01T00:00:00Z"}`,
		`{"backoff":{"list":[-1]}}`, `{"backoff":{"low":-1,"high":-5}}`, `{"backoff":{"low":9223372036854775807,"high":9223372036854775807}}`,
		`{"chain":[{"id":"","job":"","args":null}]}`, `{"chain":[{"job":"a.b.*","args":{},"delay":-1}]}`, `{"batch":"b","item":""}`, `{"unique":"k","until_start":true}`,
		`{"queue":"q","group":"g"}`, `{"tries":9223372036854775807}`,
	} {
		f.Add(text, 1, false)
		f.Add(text, 7, true)
	}
	work := jobs.New[int]("work")
	f.Fuzz(func(t *testing.T, envelope string, receives int, fails bool) {
		r := newRig(t, rigConfig{handlers: []jobs.Handler{work.Handler(func(context.Context, int) error {
			if fails {
				return errDown
			}
			return nil
		})}})
		e := events.NewTopic[int]("job.work").New(1, events.WithMetadata("fxpond.job", envelope))
		o := r.bus.Deliver(events.WithAttempt(t.Context(), receives), e)
		if len(o.Results) != 1 {
			t.Fatalf("outcome %+v", o)
		}
		switch d := o.Disposition(); d.Action {
		case events.Ack, events.DeadLetter:
		case events.Retry:
			if d.After < 0 {
				t.Errorf("%+v", d)
			}
		default:
			t.Errorf("%+v", d)
		}
	})
}
