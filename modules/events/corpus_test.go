package events_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/fxpond/fxpond/modules/events"
)

// samples returns the event samples that AWS publishes with aws-lambda-go. They
// are read from the module cache, where building this test has put them.
func samples(t *testing.T) map[string][]byte {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("asking go where the samples are: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", "*.json"))
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d samples, %v", len(paths), err)
	}
	all := make(map[string][]byte)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = text
	}
	return all
}

func TestEachSampleOfAWSDecodesOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{})
	outcomes := make(map[string]int)
	bodies := samples(t)
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		body := bodies[name]
		all, err := d.Decode(events.Message{ID: "m", Body: body, Source: "queue"})
		var look struct {
			DetailType string `json:"detail-type"`
			Source     string
			Records    []struct{ EventSource string }
		}
		_ = json.Unmarshal(body, &look) // other samples are of other shapes
		switch {
		case look.DetailType != "" && strings.Contains(string(body), `"detail"`):
			if err != nil || len(all) != 1 || all[0].Name != look.Source+"."+look.DetailType {
				t.Errorf("%s: %v, %v", name, all, err)
			}
			outcomes["eventbridge"]++
		case len(look.Records) > 0 && look.Records[0].EventSource == "aws:s3":
			if err != nil || len(all) != len(look.Records) || !strings.HasPrefix(all[0].Name, "s3.") {
				t.Errorf("%s: %v, %v", name, all, err)
			}
			outcomes["s3"]++
		case err == nil:
			outcomes["raw"]++
			t.Logf("%s: %s", name, all[0].Name)
		default:
			if failed, ok := errors.AsType[*events.DecodeError](err); !ok || failed.Reason == "" {
				t.Errorf("%s: %v", name, err)
			}
			outcomes["refused"]++
			t.Logf("%s: %v", name, err)
		}
	}
	t.Logf("outcomes: %v", outcomes)
	if outcomes["eventbridge"] < 10 || outcomes["s3"] < 5 {
		t.Errorf("too few of the samples were told apart: %v", outcomes)
	}
}

func TestSamplesReachTypedListeners(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{})
	all := samples(t)

	object := decodeOne(t, d, events.Message{Body: all["s3-event.json"]})
	record, err := events.As[lambdaevents.S3EventRecord](object)
	if err != nil || record.Data.S3.Bucket.Name == "" || record.Data.S3.Object.Key == "" || !record.Timestamp.Equal(record.Data.EventTime) {
		t.Errorf("S3 record %+v, %v", record, err)
	}
	build, err := events.As[lambdaevents.CodeBuildEventDetail](decodeOne(t, d, events.Message{Body: all["codebuild-state-change.json"]}))
	if err != nil || build.Data.ProjectName == "" || build.ID == "" || build.Metadata["eventbridge.region"] != "us-west-2" {
		t.Errorf("CodeBuild detail %+v, %v", build, err)
	}
}

// What arrives on a queue lies one level down in samples of Lambda invocations.
func TestMessagesInsideTheSamplesDecode(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, events.DecodeConfig{})
	all := samples(t)

	var notifications struct {
		Records []struct{ Sns json.RawMessage }
	}
	for name, want := range map[string]string{
		"sns-event.json": "TestInvoke",
		"cloudwatch-alarm-sns-payload-single-metric.json":    "",
		"cloudwatch-alarm-sns-payload-multiple-metrics.json": "",
		"ses-sns-event.json": "",
	} {
		if err := json.Unmarshal(all[name], &notifications); err != nil {
			t.Fatal(err)
		}
		for _, r := range notifications.Records {
			if len(r.Sns) == 0 {
				continue
			}
			e := decodeOne(t, d, events.Message{Body: r.Sns})
			t.Logf("%s: %s %v", name, e.Name, e.Metadata)
			if want != "" && e.Name != want {
				t.Errorf("%s: %q, want %q", name, e.Name, want)
			}
		}
	}
	var queue lambdaevents.SQSEvent
	if err := json.Unmarshal(all["sqs-event.json"], &queue); err != nil {
		t.Fatal(err)
	}
	for _, r := range queue.Records {
		_, err := d.Decode(events.Message{ID: r.MessageId, Body: []byte(r.Body), Source: r.EventSourceARN})
		expectError(t, err, "broken JSON at offset 0") // "Message Body"
	}
}

func decodeOne(t *testing.T, d *events.Decoder, m events.Message) events.Any {
	t.Helper()
	all, err := d.Decode(m)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	return all[0]
}
