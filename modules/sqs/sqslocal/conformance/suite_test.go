package conformance

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

// conformanceCase is one thing that an SQS must do.
type conformanceCase struct {
	name string
	page string // of AWS's documentation
	run  func(*probe)
}

// all is the suite.
var all = [][]conformanceCase{
	wireCases, queueCases, attributeCases, sendCases, messageAttributeCases, batchCases, receiveCases, visibilityCases, deleteCases,
	deadLetterCases, moveCases, fifoCases, countCases, concurrencyCases,
}

// atOnce bounds how many cases run side by side. Most of them wait most of their time.
const atOnce = 32

func TestConformance(t *testing.T) {
	endpoint, differences := target(t)
	known := readDifferences(t, differences)
	slots := make(chan struct{}, atOnce)
	probes := map[string]*probe{}
	for _, cases := range all {
		for _, c := range cases {
			if probes[c.name] != nil {
				t.Fatalf("two cases are called %s", c.name)
			}
			p := newProbe(t, c.name, endpoint)
			probes[c.name] = p
			go func() {
				slots <- struct{}{}
				p.try(c.run)
				<-slots
			}()
		}
	}
	for name := range known {
		if probes[strings.TrimPrefix(name, "~")] == nil {
			t.Errorf("%s lists %q, which is no case", differences, name)
		}
	}
	for _, cases := range all {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				p := probes[c.name]
				<-p.done
				says, differs := known[c.name]
				if at, wavers := known["~"+c.name]; wavers {
					says, differs = at, p.failure != ""
				}
				switch {
				case differs && p.failure == "":
					t.Errorf("no longer differs: strike it from %s", differences)
				case differs:
					t.Logf("differs as known: %s\nAWS (%s): %s", p.failure, c.page, says)
				case p.failure != "":
					t.Errorf("%s\nsee %s", p.failure, c.page)
				}
			})
		}
	}
}

// target returns the endpoint to test and the file of its known differences.
func target(t *testing.T) (endpoint, differences string) {
	differences = os.Getenv("SQS_CONFORMANCE_DIFFERENCES")
	if endpoint := os.Getenv("SQS_CONFORMANCE_ENDPOINT"); endpoint != "" {
		return strings.TrimSuffix(endpoint, "/"), differences
	}
	if folder := os.Getenv("SQS_CONFORMANCE_FAUXQS"); folder != "" {
		if differences == "" {
			differences = "fauxqs.differences"
		}
		return startFauxqs(t, folder), differences
	}
	srv, err := sqslocal.Start(sqslocal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv.URL(), differences
}

// startFauxqs runs the starter with the package that is installed in folder.
func startFauxqs(t *testing.T, folder string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	script, err := os.Open("fauxqs.mjs")
	if err != nil {
		t.Fatal(err)
	}
	defer script.Close() //nolint:errcheck // only read
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("node", "--input-type=module", "-", port)
	cmd.Dir, cmd.Stdin, cmd.Stderr = folder, script, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("fauxqs did not start: %v", err)
	}
	return "http://" + addr
}

// readDifferences reads lines of "case: what AWS's documentation says". A case after a tilde passes at times.
func readDifferences(t *testing.T, path string) map[string]string {
	t.Helper()
	known := map[string]string{}
	if path == "" {
		return known
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, says, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%s: not of the form case: text: %q", path, line)
		}
		known[name] = says
	}
	return known
}

// probe is what a case works with: a client, and assertions that end the case without failing the test, because some cases
// are known to fail on some endpoints.
type probe struct {
	name     string
	done     chan struct{} // closed when the case has ended
	ctx      context.Context
	endpoint string
	client   *awssqs.Client
	failure  string
	mu       sync.Mutex
	queues   int
}

func newProbe(t *testing.T, name, endpoint string) *probe {
	client := awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "conformance", SecretAccessKey: "conformance"}, nil
		}),
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &probe{name: name, done: make(chan struct{}), ctx: ctx, endpoint: endpoint, client: client}
}

// try runs the case in a goroutine of its own, which a failed assertion ends.
func (p *probe) try(run func(*probe)) {
	go func() {
		defer close(p.done)
		run(p)
	}()
	<-p.done
}

func (p *probe) fatalf(format string, args ...any) {
	_, file, line, _ := runtime.Caller(2)
	p.failure = fmt.Sprintf("%s:%d: ", file[strings.LastIndexByte(file, '/')+1:], line) + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (p *probe) check(ok bool, format string, args ...any) {
	if !ok {
		p.fatalf(format, args...)
	}
}

func (p *probe) noError(err error) {
	if err != nil {
		p.fatalf("unexpected error: %v", err)
	}
}
