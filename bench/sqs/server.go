package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// queueName is the one queue of a scenario.
const queueName = "bench"

// actions are the requests that count.
var actions = []string{
	"ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch",
	"SendMessage", "SendMessageBatch",
}

// serverRequest is what the rig asks of the server's process.
type serverRequest struct {
	Op         string // create, fill, trickle, faults, mark, drain, history, bodies
	N          int
	Visibility time.Duration
	Every      time.Duration // between two messages of a trickle
	Patience   time.Duration
	Faults     []sqslocal.Fault
}

// created is where the queue is.
type created struct{ Endpoint, URL string }

// mark is the server's count of requests and the state of the queue at one moment.
type mark struct {
	Calls  map[string]int
	Failed int // of these, calls that a fault has failed
	Queue  sqslocal.QueueState
}

// requests counts those between two marks.
func (m mark) requests(since mark, only ...string) int {
	if len(only) == 0 {
		only = actions
	}
	n := 0
	for _, a := range only {
		n += m.Calls[a] - since.Calls[a]
	}
	return n
}

// life is what the server saw of one message.
type life struct {
	N        int
	Sent     time.Time
	Received []time.Time
	Deleted  time.Time // zero if it is still there
}

type server struct {
	sqs    *sqslocal.Server
	client *awssqs.Client // without sockets, so that filling a queue is quick
	url    string

	mu      sync.Mutex
	numbers map[string]int // by message id
}

// serve is the server's process.
func serve(in io.Reader, out io.Writer) error {
	srv, err := sqslocal.Start(sqslocal.Config{JournalSize: 1 << 19})
	if err != nil {
		return err
	}
	defer srv.Close() //nolint:errcheck // the process ends
	s := &server{sqs: srv, numbers: map[string]int{}}
	s.client = srv.Client(func(o *awssqs.Options) { o.HTTPClient = &http.Client{Transport: srv.Transport()} })
	return answers(in, out, s.handle)
}

func (s *server) handle(r serverRequest) (any, error) {
	switch r.Op {
	case "create":
		url, err := s.sqs.CreateQueue(queueName, map[string]string{
			"VisibilityTimeout": strconv.Itoa(int(r.Visibility / time.Second)),
		})
		s.url = url
		return created{Endpoint: s.sqs.URL(), URL: url}, err
	case "fill":
		return nil, s.fill(r.N)
	case "trickle":
		return nil, s.trickle(r.N, r.Every)
	case "faults":
		return nil, s.sqs.SetFaults(r.Faults...)
	case "mark":
		return s.mark(), nil
	case "drain":
		return s.drain(r.Patience), nil
	case "history":
		return s.history(), nil
	case "bodies":
		return s.bodies(r.Patience)
	}
	return nil, fmt.Errorf("the server knows no %q", r.Op)
}

func (s *server) mark() mark {
	m := mark{Calls: make(map[string]int, len(actions))}
	for _, a := range actions {
		m.Calls[a] = s.sqs.Calls(a)
	}
	for _, effect := range []sqslocal.Effect{sqslocal.ServerError, sqslocal.Throttle, sqslocal.ResetBefore, sqslocal.ResetAfter} {
		m.Failed += s.sqs.Faulted(string(effect))
	}
	m.Queue, _ = s.sqs.Queue(queueName)
	return m
}

// fill sends n numbered messages.
func (s *server) fill(n int) error {
	for first := 0; first < n; first += 10 {
		entries := make([]types.SendMessageBatchRequestEntry, min(10, n-first))
		for i := range entries {
			entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(first + i)), MessageBody: aws.String(body(first + i))}
		}
		out, err := s.client.SendMessageBatch(context.Background(), &awssqs.SendMessageBatchInput{QueueUrl: &s.url, Entries: entries})
		if err != nil {
			return err
		}
		if len(out.Failed) > 0 {
			return fmt.Errorf("filling the queue: %s", aws.ToString(out.Failed[0].Message))
		}
		for _, sent := range out.Successful {
			number, _ := strconv.Atoi(*sent.Id)
			s.number(*sent.MessageId, number)
		}
	}
	return nil
}

// trickle sends n numbered messages, one at a time.
func (s *server) trickle(n int, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		out, err := s.client.SendMessage(context.Background(), &awssqs.SendMessageInput{QueueUrl: &s.url, MessageBody: aws.String(body(i))})
		if err != nil {
			return err
		}
		s.number(*out.MessageId, i)
	}
	return nil
}

func (s *server) number(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[id] = n
}

// drain waits until every message is deleted, and says how many are not.
func (s *server) drain(patience time.Duration) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		q, _ := s.sqs.Queue(queueName)
		left := q.Visible + q.InFlight + q.Delayed
		if left == 0 || time.Now().After(end) {
			return left
		}
	}
}

// history is every message's life.
func (s *server) history() []life {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]life, len(s.numbers))
	for _, e := range s.sqs.Journal().Entries() {
		n, known := s.numbers[e.MessageID]
		if !known {
			continue
		}
		l := &all[n]
		l.N = n
		switch e.What {
		case sqslocal.Sent:
			l.Sent = e.At
		case sqslocal.Received:
			l.Received = append(l.Received, e.At)
		case sqslocal.Deleted:
			l.Deleted = e.At
		}
	}
	return all
}

// bodies empties the queue and counts the messages of each number.
func (s *server) bodies(patience time.Duration) (map[int]int, error) {
	found := map[int]int{}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		out, err := s.client.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{
			QueueUrl: &s.url, MaxNumberOfMessages: 10, VisibilityTimeout: 3600,
		})
		if err != nil {
			return nil, err
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			var sent struct {
				Number
				Data Number // of our envelope
			}
			if err := json.NewDecoder(strings.NewReader(*m.Body)).Decode(&sent); err != nil {
				return nil, err
			}
			found[max(sent.N, sent.Data.N)]++
		}
	}
	return found, nil
}
