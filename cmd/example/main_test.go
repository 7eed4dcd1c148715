package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/aws/aws-lambda-go/events" // its samples, see TestRealSamplesOfAWSEndHandled
	"go.uber.org/goleak"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func example(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestOnceBalancesItsBooks(t *testing.T) {
	code, out, errs := example(t, "", "-once", "-n", "500")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		`(?m)^ +500  messages sent$`,
		`(?m)^ +498  handled by send-email-confirmation `,
		`(?m)^ +500  handled by create-profile `,
		`(?m)^ +2  dead-lettered$`,
		`(?m)^ +0  left in the queue$`,
		`The books balance`,
		`user249@example\.invalid: the address cannot receive mail`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("output does not match %s:\n%s", want, out)
		}
	}
}

func TestInputTakesAnyEnvelopeAndLosesNoLine(t *testing.T) {
	lines := []string{
		`{"event":"user.created","name":"Ada","email":"ada@example.com"}`,
		`{"Type":"Notification","MessageId":"5f0e2f4c-0b9a-5c1f-9c2a-1b9d8f7e6a5b","TopicArn":"arn:aws:sns:eu-west-1:123456789012:users","Message":"{\"event\":\"user.created\",\"email\":\"bob@example.com\"}","Timestamp":"2026-01-02T03:04:05.000Z"}`,
		`{"specversion":"1.0","id":"1","source":"/users","type":"user.created","data":{"email":"eve@example.com"}}`,
		`{"what":"nobody knows"}`,
		`{"broken":`,
		``,
		strings.Repeat("x", 1<<20+1),
		`{"event":"user.created","email":7}`,
	}
	code, out, errs := example(t, strings.Join(lines, "\n")+"\n", "-once", "-input", "-")
	if code != 0 {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		`(?m)^ +6  messages sent$`,
		`(?m)^ +2  dead-lettered$`,
		`(?m)^ +1  empty, SQS takes no message without a body$`,
		`(?m)^ +1  longer than 1 MiB`,
		`broken JSON`,
		`email`,
		`The books balance`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("output does not match %s:\n%s", want, out)
		}
	}
}

// AWS publishes samples of what its services send; none may be lost or crash the consumer.
func TestRealSamplesOfAWSEndHandled(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("finding aws-lambda-go: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", "*.json"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	var input strings.Builder
	sent := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			continue // a sample that is no JSON document, for another test of theirs
		}
		sent++
		fmt.Fprintf(&input, "%s\n", line.Bytes())
	}
	code, out, errs := example(t, input.String(), "-once", "-input", "-")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("%d  messages sent", sent)) {
		t.Fatalf("exit code %d, %s\n%s", code, errs, out)
	}
	t.Log(out)
}

func TestTheServiceAnswersAndStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-n", "10"}, strings.NewReader(""), write, io.Discard)
		write.Close() //nolint:errcheck // a pipe
	}()
	var all bytes.Buffer
	url := ""
	buffer := make([]byte, 4096)
	for url == "" {
		n, err := read.Read(buffer)
		if err != nil {
			t.Fatalf("the service ended: %v\n%s", err, all.String())
		}
		all.Write(buffer[:n])
		url = regexp.MustCompile(`http://\S+/users\n`).FindString(all.String())
	}
	go io.Copy(io.Discard, read) //nolint:errcheck // until the pipe is closed
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for body, want := range map[string]int{
		`{"name":"Ada","email":"ada@example.com"}`: http.StatusCreated,
		`{"name":"Ada"}`: http.StatusUnprocessableEntity,
		`{`:              http.StatusBadRequest,
	} {
		answer, err := client.Post(strings.TrimSpace(url), "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close() //nolint:errcheck // not read
		if answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", body, answer.StatusCode, want)
		}
	}
	for path, want := range map[string]string{"/1": `"email":"user`, "/999999": "not found", "/x": "id: "} {
		answer, err := client.Get(strings.TrimSpace(url) + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close() //nolint:errcheck // read
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %s, %v; want %s", path, body, err, want)
		}
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

func TestSQSQueueAndTheSDKsEnvironmentChooseTheEndpoint(t *testing.T) {
	srv, err := sqslocal.Start(sqslocal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close() //nolint:errcheck // the example has stopped
	t.Setenv("SQS_QUEUE", "sign-ups")
	t.Setenv("AWS_ENDPOINT_URL_SQS", srv.URL())
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "any")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "any")

	code, _, errs := example(t, "", "-once", "-n", "10")
	if code == 0 || !strings.Contains(errs, `"sign-ups"`) || !strings.Contains(errs, "create the queue") {
		t.Errorf("a missing queue: exit code %d, %s", code, errs)
	}

	if _, err := srv.CreateQueue("sign-ups-dead", nil); err != nil {
		t.Fatal(err)
	}
	_, err = srv.CreateQueue("sign-ups", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:sign-ups-dead","maxReceiveCount":5}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := example(t, "", "-once", "-n", "300")
	if code != 0 || !strings.Contains(out, `"sign-ups" on AWS`) || srv.Calls("SendMessageBatch") == 0 {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
}

func TestGraphIsPrintedWithoutStarting(t *testing.T) {
	code, out, _ := example(t, "", "-graph")
	if code != 0 || !strings.HasPrefix(out, "digraph") || !strings.Contains(out, "Consumer") {
		t.Errorf("exit code %d:\n%.200s", code, out)
	}
}

func TestBadFlagsAreRefusedWithTheMend(t *testing.T) {
	for want, args := range map[string][]string{
		"0 or more":    {"-n", "-1"},
		"-input FILE":  {"file.txt"},
		"no such file": {"-once", "-input", "/no/such/file"},
		"not defined":  {"-what"},
		"listen tcp":   {"-addr", "256.0.0.1:1"},
	} {
		if code, _, errs := example(t, "", args...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %q does not contain %q", args, code, errs, want)
		}
	}
}
