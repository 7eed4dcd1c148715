package sqslocal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// raw calls a server without an SDK in between, for tests of many messages and of odd requests.
type raw struct {
	t         testing.TB
	transport http.RoundTripper
	url       string
}

func (b *bench) raw(url string) *raw { return &raw{b.t, b.srv.Transport(), url} }

// call posts a body to an action of the JSON protocol. After Close it answers with status 0.
func (r *raw) call(action, body string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://sqs/", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	answer, err := r.transport.RoundTrip(request)
	if errors.Is(err, sqslocal.ErrClosed) {
		return 0, ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// sendN sends n messages of one body, in tens.
func (r *raw) sendN(n int, body string) {
	r.t.Helper()
	for i := 0; i < n; i += 10 {
		entries := make([]string, min(10, n-i))
		for j := range entries {
			entries[j] = fmt.Sprintf(`{"Id":"%d","MessageBody":%q}`, j, body)
		}
		status, text := r.call("SendMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, r.url, strings.Join(entries, ",")))
		if status != http.StatusOK || strings.Contains(text, "Failed") {
			r.t.Fatalf("status %d: %s", status, text)
		}
	}
}

// receive takes up to ten messages and returns how many came.
func (r *raw) receive() int {
	r.t.Helper()
	return len(r.handles())
}

// handles takes up to ten messages and returns their receipt handles.
func (r *raw) handles() []string {
	r.t.Helper()
	status, text := r.call("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, r.url))
	if status != http.StatusOK && status != 0 {
		r.t.Fatalf("status %d: %s", status, text)
	}
	var out []string
	for part := range strings.SplitSeq(text, `"ReceiptHandle":"`) {
		handle, _, _ := strings.Cut(part, `"`)
		out = append(out, handle)
	}
	return out[1:]
}

// delete deletes by handles, at most ten.
func (r *raw) delete(handles []string) {
	r.t.Helper()
	var body bytes.Buffer
	for i, h := range handles {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"Id":"%d","ReceiptHandle":%q}`, i, h)
	}
	status, text := r.call("DeleteMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, r.url, body.String()))
	if status != http.StatusOK || strings.Contains(text, "Failed") {
		r.t.Fatalf("status %d: %s", status, text)
	}
}
