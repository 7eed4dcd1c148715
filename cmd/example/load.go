package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/fx"
	"golang.org/x/sync/errgroup"
)

const (
	browsers = 32      // sign-ups in flight
	maxBody  = 1 << 20 // SQS takes no more
)

// load is what the example sends.
type load struct {
	server *server
	place  *place
	books  *books
	where  string
	client *http.Client
}

func newLoad(lc fx.Lifecycle, s *server, p *place, b *books) *load {
	where := fmt.Sprintf("Queue %q on AWS or an endpoint of yours, as the SDK's environment says.", p.name)
	if p.server != nil {
		where = fmt.Sprintf("Queue %q on an SQS inside this process (%s).", p.name, p.server.URL())
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: browsers}}
	lc.Append(fx.StopHook(client.CloseIdleConnections))
	return &load{server: s, place: p, books: b, where: where, client: client}
}

func (l *load) url() string { return "http://" + l.server.addr }

// signUps posts n users, as browsers would.
func (l *load) signUps(ctx context.Context, n int, out io.Writer) error {
	fmt.Fprintf(out, "Sending %d sign-ups: POST /users -> database and outbox -> SQS -> 3 listeners\n", n)
	defer l.books.progress(ctx, out)()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(browsers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return l.signUp(ctx, i) })
	}
	return group.Wait()
}

// signUp posts one user; every 250th has an address that can never receive mail.
func (l *load) signUp(ctx context.Context, i int) error {
	domain := "example.com"
	if i%250 == 249 {
		domain = "example.invalid"
	}
	body, err := json.Marshal(User{Name: "User " + strconv.Itoa(i), Email: fmt.Sprintf("user%d@%s", i, domain)})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url()+"/users", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		l.books.refuse(fmt.Sprintf("HTTP %d: %s", answer.StatusCode, bytes.TrimSpace(text)))
		return nil
	}
	l.books.accept(1)
	return nil
}

// lines sends each line of a file as one message body, whatever its envelope.
func (l *load) lines(ctx context.Context, name string, stdin io.Reader, out io.Writer) error {
	in, title := stdin, "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("-input: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read
		in, title = file, name
	}
	fmt.Fprintf(out, "Sending the lines of %s as message bodies\n", title)
	defer l.books.progress(ctx, out)()
	url, err := l.place.url(ctx, l.place.name)
	if err != nil {
		return err
	}
	reader := bufio.NewReaderSize(in, 64<<10)
	var batch []string
	var size int
	for number := 1; ; number++ {
		line, tooLong, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return l.send(ctx, url, batch)
		}
		if err != nil {
			return fmt.Errorf("reading line %d of %s: %w", number, title, err)
		}
		switch {
		case tooLong:
			l.books.refuse("longer than 1 MiB, SQS takes no more")
			continue
		case line == "":
			l.books.refuse("empty, SQS takes no message without a body")
			continue
		}
		if len(batch) == 10 || size+len(line) > maxBody {
			if err := l.send(ctx, url, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch, size = append(batch, line), size+len(line)
	}
}

// readLine reads a line of up to 1 MiB, and skips the rest of a longer one.
func readLine(r *bufio.Reader) (line string, tooLong bool, err error) {
	var all []byte
	for {
		part, err := r.ReadSlice('\n')
		if !tooLong {
			all = append(all, part...)
			tooLong = len(bytes.TrimRight(all, "\r\n")) > maxBody
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(all) > 0, err == nil:
			if tooLong {
				return "", true, nil
			}
			return string(bytes.TrimRight(all, "\r\n")), false, nil
		default:
			return "", false, err
		}
	}
}

func (l *load) send(ctx context.Context, url string, bodies []string) error {
	if len(bodies) == 0 {
		return nil
	}
	in := &awssqs.SendMessageBatchInput{QueueUrl: aws.String(url)}
	for i := range bodies {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &bodies[i]})
	}
	out, err := l.place.client.SendMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	l.books.accept(len(out.Successful))
	for _, refused := range out.Failed {
		l.books.refuse(aws.ToString(refused.Message))
	}
	return nil
}
