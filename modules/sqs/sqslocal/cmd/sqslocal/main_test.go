package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesUntilItIsToldToStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	snapshot := filepath.Join(t.TempDir(), "sqs.json")
	go func() {
		done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-queues", "orders, audit.fifo", "-snapshot", snapshot, "-faults", "duplicates"}, in, io.Discard)
	}()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(first[strings.Index(first, "http"):])
	for _, name := range []string{"orders", "audit.fifo"} {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasSuffix(strings.TrimSpace(line), "/000000000000/"+name) {
			t.Errorf("line %q: %v", line, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/?Action=ListQueues", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Body.Close() != nil || bytes.Count(body, []byte("<QueueUrl>")) != 2 {
		t.Errorf("%s: %v", body, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-addr", "nowhere"}, {"-faults", "sunshine"}, {"-queues", "a b", "-addr", "127.0.0.1:0"}, {"-colour"}, {"-account", "1"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: accepted", args)
		}
	}
}
