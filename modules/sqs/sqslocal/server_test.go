package sqslocal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

func TestWrongConfigsNameFieldValueAndMend(t *testing.T) {
	_, err := sqslocal.Start(sqslocal.Config{Addr: "nowhere", Region: "US East", Account: "12", JournalSize: -2, Faults: []sqslocal.Fault{{Effect: "explode"}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{`Addr: "nowhere"`, `Region: "US East"`, `Account: "12"`, "JournalSize: -2", `"explode"`, "127.0.0.1:9324", "us-east-1", "12 digits"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	b := overHTTP(t, sqslocal.Config{})
	if _, err := sqslocal.Start(sqslocal.Config{Addr: strings.TrimPrefix(b.srv.URL(), "http://")}); err == nil {
		t.Error("started twice on one port")
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	if b := overHTTP(t, sqslocal.Config{}); !strings.HasPrefix(b.srv.URL(), "http://127.0.0.1:") {
		t.Errorf("URL %s", b.srv.URL())
	}
}

func TestRegionAndAccountAreInNames(t *testing.T) {
	b := inProcess(t, sqslocal.Config{Region: "eu-central-1", Account: "123456789012"})
	url := b.queue("q", nil)
	if !strings.HasSuffix(url, "/123456789012/q") {
		t.Errorf("URL %s", url)
	}
	out, err := b.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	b.must(err)
	if out.Attributes["QueueArn"] != "arn:aws:sqs:eu-central-1:123456789012:q" {
		t.Errorf("ARN %s", out.Attributes["QueueArn"])
	}
	other := "http://x/000000000000/q"
	if _, err := b.client.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: &other}); code(err) != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("another account: %v", err)
	}
}

// story runs a little of everything and returns all that was drawn at random.
func story(t *testing.T, seed uint64) string {
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		faults, err := sqslocal.Profile("flaky")
		if err != nil {
			t.Fatal(err)
		}
		b := inProcess(t, sqslocal.Config{Seed: seed, Faults: faults})
		url := b.queue("q", map[string]string{"VisibilityTimeout": "0"})
		for range 50 {
			sent, err := b.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
			if err != nil {
				fmt.Fprintln(&out, code(err))
				continue
			}
			fmt.Fprintln(&out, *sent.MessageId)
			got, err := b.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &url})
			if err == nil && len(got.Messages) > 0 {
				fmt.Fprintln(&out, *got.Messages[0].ReceiptHandle)
			}
		}
	})
	return out.String()
}

func TestASeedRepeatsEverything(t *testing.T) {
	first := story(t, 42)
	if again := story(t, 42); again != first {
		t.Error("the same seed, another story")
	}
	if story(t, 43) == first {
		t.Error("another seed, the same story")
	}
}

func TestASnapshotSurvivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sqs.json")
	cfg := sqslocal.Config{Snapshot: file, Seed: 9}
	b := inProcess(t, cfg)
	b.queue("dead", nil)
	url := b.queue("q", map[string]string{"VisibilityTimeout": "600", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":2}`})
	fifo := b.queue("f.fifo", map[string]string{"ContentBasedDeduplication": "true"})
	first := b.send(fifo, "1", group("g"))
	b.send(fifo, "2", group("g"))
	leased := b.send(url, "leased", func(in *awssqs.SendMessageInput) {
		in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}}}
	})
	m := b.one(url, 0)
	b.send(url, "visible")
	b.send(url, "delayed", func(in *awssqs.SendMessageInput) { in.DelaySeconds = 900 })
	before := b.state("q")
	b.must(b.srv.Close())

	b = inProcess(t, cfg)
	if after := b.state("q"); after != before {
		t.Fatalf("state %+v, was %+v", after, before)
	}
	if *m.MessageId != leased {
		t.Fatal("another message was received")
	}
	b.must(b.hide(url, m, 0)) // the old handle is still good
	got := b.receive(url, 0)
	if len(got) != 2 || *got[0].Body != "visible" || *got[1].Body != "leased" || got[1].Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("received %d", len(got))
	}
	if again := b.send(fifo, "1", group("g")); again != first {
		t.Error("deduplication is forgotten")
	}
	if got := b.receive(fifo, 0); len(got) != 2 || *got[0].Body != "1" {
		t.Errorf("received %d from the FIFO queue", len(got))
	}
	if id := b.send(url, "new"); id == leased {
		t.Error("the seed repeats an id")
	}
	b.must(b.hide(url, got[1], 0))
	b.receive(url, 0)
	if s := b.state("dead"); s.Visible != 1 {
		t.Errorf("the redrive policy is lost: %+v", s)
	}
}

func TestABrokenSnapshotIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sqs.json")
	for _, text := range []string{"{", `{"version":99}`, `{"version":1,"name":"q","attributes":{},"messages":3}`, `{"version":1,"name":"q","attributes":{"Colour":"red"}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqslocal.New(sqslocal.Config{Snapshot: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", text, err)
		}
	}
	b, err := sqslocal.New(sqslocal.Config{Snapshot: filepath.Join(t.TempDir(), "no", "such", "folder")})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err == nil {
		t.Error("a snapshot that cannot be written is no error")
	}
}

func TestTheJournalKeepsTheNewest(t *testing.T) {
	b := inProcess(t, sqslocal.Config{JournalSize: 5})
	url := b.queue("q", nil)
	var last string
	for range 8 {
		last = b.send(url, "x")
	}
	entries := b.srv.Journal().Entries()
	if len(entries) != 5 || b.srv.Journal().Dropped() != 3 || entries[4].MessageID != last {
		t.Errorf("%d entries, %d dropped", len(entries), b.srv.Journal().Dropped())
	}
	none := inProcess(t, sqslocal.Config{JournalSize: -1})
	none.send(none.queue("q", nil), "x")
	if n := len(none.srv.Journal().Entries()); n != 0 {
		t.Errorf("%d entries without a journal", n)
	}
}

func TestTheJournalTellsWhenAndHowOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := inProcess(t, sqslocal.Config{})
		url := b.queue("q", nil)
		start := time.Now()
		id := b.send(url, "x")
		sleep(time.Second)
		m := b.one(url, 0)
		sleep(time.Second)
		b.must(b.hide(url, m, 60))
		b.must(b.remove(url, m))
		want := []sqslocal.Entry{
			{At: start, Queue: "q", MessageID: id, What: sqslocal.Sent},
			{At: start.Add(time.Second), Queue: "q", MessageID: id, What: sqslocal.Received, Receives: 1, VisibleAt: start.Add(31 * time.Second)},
			{At: start.Add(2 * time.Second), Queue: "q", MessageID: id, What: sqslocal.VisibilityChanged, Receives: 1, VisibleAt: start.Add(62 * time.Second)},
			{At: start.Add(2 * time.Second), Queue: "q", MessageID: id, What: sqslocal.Deleted, Receives: 1},
		}
		got := b.srv.Journal().Of(id)
		if len(got) != len(want) {
			t.Fatalf("%d entries: %+v", len(got), got)
		}
		for i := range want {
			if !got[i].At.Equal(want[i].At) || !got[i].VisibleAt.Equal(want[i].VisibleAt) {
				t.Errorf("entry %d: %+v, want %+v", i, got[i], want[i])
			}
			got[i].At, got[i].VisibleAt = want[i].At, want[i].VisibleAt
			if got[i] != want[i] {
				t.Errorf("entry %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}
