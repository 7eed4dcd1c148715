package sqs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"go.uber.org/zap"

	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestDiagnoseFindsWhatIsWrongAndNamesTheMend(t *testing.T) {
	t.Parallel()
	redrive := func(receives int) string {
		return fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"%d"}`, receives)
	}
	longDead := map[string]string{"MessageRetentionPeriod": "1209600"}
	for name, test := range map[string]struct {
		queue, dead map[string]string
		api         func(sqs.API) sqs.API
		severity    sqs.Severity
		problem     string
	}{
		"healthy":                   {map[string]string{"RedrivePolicy": redrive(5)}, longDead, nil, "", ""},
		"no dead-letter queue":      {nil, nil, nil, sqs.Warning, "no dead-letter queue"},
		"few receives":              {map[string]string{"RedrivePolicy": redrive(1)}, longDead, nil, sqs.Warning, "maxReceiveCount of 1"},
		"dead letters die first":    {map[string]string{"RedrivePolicy": redrive(5)}, map[string]string{"MessageRetentionPeriod": "3600"}, nil, sqs.Warning, "no longer than the queue's own"},
		"no visibility":             {map[string]string{"RedrivePolicy": redrive(5), "VisibilityTimeout": "0"}, longDead, nil, sqs.Failure, "visibility timeout is 0"},
		"little visibility":         {map[string]string{"RedrivePolicy": redrive(5), "VisibilityTimeout": "2"}, longDead, nil, sqs.Warning, "2s leaves little time"},
		"long visibility":           {map[string]string{"RedrivePolicy": redrive(5), "VisibilityTimeout": "40000"}, longDead, nil, sqs.Warning, "a crash delays"},
		"short retention":           {map[string]string{"RedrivePolicy": redrive(5), "MessageRetentionPeriod": "600"}, longDead, nil, sqs.Warning, "retention of 10m0s"},
		"may not delete":            {map[string]string{"RedrivePolicy": redrive(5)}, longDead, deny("DeleteMessageBatch"), sqs.Failure, "cannot be deleted"},
		"may not change visibility": {map[string]string{"RedrivePolicy": redrive(5)}, longDead, deny("ChangeMessageVisibilityBatch"), sqs.Failure, "leases cannot be renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := sqslocal.New(sqslocal.Config{})
			must(t, err)
			defer srv.Close() //nolint:errcheck // nothing runs
			_, err = srv.CreateQueue("dead", test.dead)
			must(t, err)
			_, err = srv.CreateQueue("work", test.queue)
			must(t, err)
			var api sqs.API = srv.Client()
			if test.api != nil {
				api = test.api(api)
			}
			report, err := sqs.Diagnose(t.Context(), api, sqs.Config{Queues: []sqs.Queue{{Name: "work"}}})
			must(t, err)
			if test.problem == "" {
				if len(report) > 0 {
					t.Errorf("a healthy queue has findings: %v", report)
				}
				return
			}
			if !slices.ContainsFunc(report, func(f sqs.Finding) bool {
				return f.Severity == test.severity && strings.Contains(f.Problem, test.problem) && f.Mend != ""
			}) {
				t.Errorf("no %s with %q and a mend in %v", test.severity, test.problem, report)
			}
			if failed := report.Err() != nil; failed != (test.severity == sqs.Failure) {
				t.Errorf("Err is %v", report.Err())
			}
		})
	}
}

func TestDiagnoseSaysThatAQueueIsMissing(t *testing.T) {
	t.Parallel()
	srv, err := sqslocal.New(sqslocal.Config{})
	must(t, err)
	defer srv.Close() //nolint:errcheck // nothing runs
	report, err := sqs.Diagnose(t.Context(), srv.Client(), sqs.Config{Queues: []sqs.Queue{{Name: "gone"}}})
	must(t, err)
	if len(report) != 1 || report[0].Severity != sqs.Failure || report[0].Queue != "gone" {
		t.Errorf("report is %v", report)
	}
}

func TestDoctorDecidesAtStart(t *testing.T) {
	t.Parallel()
	for doctor, fails := range map[sqs.Doctor]bool{sqs.DoctorWarn: false, sqs.DoctorFail: true, sqs.DoctorOff: false} {
		t.Run(string(doctor), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigConfig{config: sqs.Config{Doctor: doctor}, api: deny("DeleteMessageBatch")})
			err := r.consumer.Start(t.Context())
			if failed := err != nil; failed != fails {
				t.Errorf("start says %v", err)
			}
			logged := r.logs.FilterMessage("queue settings").FilterField(zap.String("severity", string(sqs.Failure))).Len()
			if looked := logged > 0; looked != (doctor != sqs.DoctorOff) {
				t.Errorf("%d failures logged", logged)
			}
			must(t, r.stop())
		})
	}
}

// deny makes an action answer what a policy without it would.
func deny(action string) func(sqs.API) sqs.API {
	return func(api sqs.API) sqs.API { return &denyingAPI{API: api, action: action} }
}

type denyingAPI struct {
	sqs.API
	action string
}

func (a *denyingAPI) denied(action string) error {
	if a.action != action {
		return nil
	}
	return &smithy.GenericAPIError{Code: "AccessDenied", Message: "not authorized to perform " + action}
}

func (a *denyingAPI) DeleteMessageBatch(ctx context.Context, in *awssqs.DeleteMessageBatchInput, opts ...func(*awssqs.Options)) (*awssqs.DeleteMessageBatchOutput, error) {
	if err := a.denied("DeleteMessageBatch"); err != nil {
		return nil, err
	}
	return a.API.DeleteMessageBatch(ctx, in, opts...)
}

func (a *denyingAPI) ChangeMessageVisibilityBatch(ctx context.Context, in *awssqs.ChangeMessageVisibilityBatchInput, opts ...func(*awssqs.Options)) (*awssqs.ChangeMessageVisibilityBatchOutput, error) {
	if err := a.denied("ChangeMessageVisibilityBatch"); err != nil {
		return nil, err
	}
	return a.API.ChangeMessageVisibilityBatch(ctx, in, opts...)
}
