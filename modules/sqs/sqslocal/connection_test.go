package sqslocal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// wire is a raw connection to a server.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (b *bench) dial() *wire {
	b.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.srv.URL(), "http://"))
	b.must(err)
	b.t.Cleanup(func() { _ = c.Close() })
	b.must(c.SetDeadline(time.Now().Add(30 * time.Second)))
	return &wire{c, bufio.NewReader(c)}
}

// status reads one answer.
func (w *wire) status() (int, error) {
	r, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close() //nolint:errcheck // read to its end
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

const listQueues = "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ListQueues\r\nContent-Length: 2\r\n\r\n{}"

func TestOddHTTP(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	first := func(old, replacement string) string { return strings.Replace(listQueues, old, replacement, 1) }
	for name, c := range map[string]struct {
		request string
		status  string // of each answer; "closed" for the end of the connection
	}{
		"two in one packet":      {listQueues + listQueues, "200 200"},
		"chunked":                {first("Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n") + listQueues, "200 200"},
		"expects to be asked":    {first("\r\n", "\r\nExpect: 100-continue\r\n"), "100 200"},
		"connection close":       {first("\r\n", "\r\nConnection: close\r\n") + listQueues, "200 closed"},
		"http 1.0":               {first("1.1", "1.0") + listQueues, "200 closed"},
		"no http":                {"hello\r\n\r\n", "400 closed"},
		"tls":                    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 closed"},
		"wrong length":           {first("Length: 2", "Length: -1"), "400 closed"},
		"huge header":            {first("\r\n", "\r\nX-Big: "+strings.Repeat("x", 60_000)+"\r\nX-More: "+strings.Repeat("x", 60_000)+"\r\n"), "431 closed"},
		"no action":              {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + listQueues, "400 200"},
		"get":                    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + listQueues, "400 200"},
		"put with a target":      {first("POST", "PUT") + listQueues, "400 200"},
		"json without a target":  {first("X-Amz-Target: AmazonSQS.ListQueues", "Content-Type: application/x-amz-json-1.0") + listQueues, "400 200"},
		"text with a target":     {first("\r\n", "\r\nContent-Type: text/plain\r\n") + listQueues, "200 200"},
		"text without a target":  {first("X-Amz-Target: AmazonSQS.ListQueues", "Content-Type: text/plain") + listQueues, "400 200"},
		"target of another kind": {first("AmazonSQS", "DynamoDB") + listQueues, "400 200"},
	} {
		t.Run(name, func(t *testing.T) {
			w := b.dial()
			_, err := io.WriteString(w, c.request)
			b.must(err)
			var got []string
			for range strings.FieldsSeq(c.status) {
				status, err := w.status()
				if err != nil {
					got = append(got, "closed")
					break
				}
				got = append(got, fmt.Sprint(status))
			}
			if strings.Join(got, " ") != c.status {
				t.Errorf("got %v, want %s", got, c.status)
			}
		})
	}
	_, err := b.client.ListQueues(t.Context(), &awssqs.ListQueuesInput{})
	b.must(err)
}

func TestABodyBeyondTheLimitIsAnsweredAndTheConnectionStays(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	w := b.dial()
	big := strings.Repeat("x", 9<<20)
	_, err := io.WriteString(w, strings.Replace(listQueues, "2\r\n\r\n{}", fmt.Sprintf("%d\r\n\r\n%s", len(big), big), 1)+listQueues)
	b.must(err)
	for _, want := range []int{http.StatusRequestEntityTooLarge, http.StatusOK} {
		if got, err := w.status(); got != want {
			t.Errorf("status %d, want %d (%v)", got, want, err)
		}
	}
}

func TestAClientThatStopsHalfwayHoldsNobodyUp(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	for _, half := range []string{"", "POST / HT", "POST / HTTP/1.1\r\nHost: x\r\n", strings.TrimSuffix(listQueues, "}")} {
		_, err := io.WriteString(b.dial(), half)
		b.must(err)
	}
	_, err := b.client.ListQueues(t.Context(), &awssqs.ListQueuesInput{})
	b.must(err)
	b.must(b.srv.Close()) // ends the halves too; goleak sees to it
}

func TestCloseLetsTheAnswerOfAWaitingPollOut(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	url := b.queue("q", nil)
	answer := b.background(t.Context(), url, 20)
	idle := b.dial()
	b.eventually("the poll waits", func() bool { return b.state("q").Polls == 1 })
	b.must(b.srv.Close())
	if r := <-answer; r.err != nil || len(r.messages) != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := idle.in.ReadByte(); err == nil {
		t.Error("an idle connection stays open")
	}
	if _, err := net.Dial("tcp", idle.RemoteAddr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("still listening: %v", err)
	}
	b.must(b.srv.Close())
}

func TestThousandsOfIdleConnections(t *testing.T) {
	const want = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(want, int(limit.Cur-500)/2) // both ends are in this process
	if n < want {
		t.Logf("%d connections: the limit of open files is %d", n, limit.Cur)
	}
	b := overHTTP(t, sqslocal.Config{})
	for range n {
		c, err := net.Dial("tcp", strings.TrimPrefix(b.srv.URL(), "http://"))
		b.must(err)
		defer c.Close() //nolint:errcheck // nothing left to lose
	}
	url := b.queue("q", nil)
	b.send(url, "x")
	b.must(b.remove(url, b.one(url, 0)))
	b.must(b.srv.Close())
}
