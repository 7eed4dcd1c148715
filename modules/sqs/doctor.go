package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"
)

// Doctor says what Start does with the findings of [Diagnose].
type Doctor string

// What Start does with findings.
const (
	DoctorWarn Doctor = "warn" // log them
	DoctorFail Doctor = "fail" // a Failure makes Start fail, warnings are logged
	DoctorOff  Doctor = "off"  // do not look
)

// Severity ranks a finding.
type Severity string

// The severities.
const (
	Warning Severity = "warning" // it will annoy: messages late, repeated or dearer than need be
	Failure Severity = "failure" // it will lose messages or stop the consumer
)

// Finding is one thing that is wrong with a queue's settings.
type Finding struct {
	Queue    string
	Severity Severity
	Problem  string
	Mend     string
}

// String is one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: queue %q: %s: %s", f.Severity, f.Queue, f.Problem, f.Mend)
}

// Report is what [Diagnose] found, queue by queue.
type Report []Finding

// Err joins the failures; nil if there are warnings at most.
func (r Report) Err() error {
	var errs []error
	for _, f := range r {
		if f.Severity == Failure {
			errs = append(errs, fmt.Errorf("sqs: %s", f))
		}
	}
	return errors.Join(errs...)
}

// Diagnose looks at the consumed queues of cfg and their dead-letter queues: settings that contradict
// each other, and permissions that are missing. It changes nothing; permissions to delete and to change
// visibility are tried with a receipt handle that no message has. The error is one of cfg itself.
func Diagnose(ctx context.Context, api API, cfg Config) (Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var report Report
	for _, q := range cfg.Queues {
		p := &patient{api: api, cfg: q, name: q.Name}
		p.examine(ctx)
		report = append(report, p.findings...)
	}
	return report, nil
}

// Diagnose looks at the consumer's own queues, see the function of that name.
func (c *Consumer) Diagnose(ctx context.Context) (Report, error) { return Diagnose(ctx, c.api, c.cfg) }

// doctor carries Config.Doctor out.
func (c *Consumer) doctor(ctx context.Context) error {
	if c.cfg.Doctor == DoctorOff {
		return nil
	}
	report, err := c.Diagnose(ctx)
	if err != nil {
		return err
	}
	for _, f := range report {
		c.log.Warn("queue settings", zap.String("queue", f.Queue), zap.String("severity", string(f.Severity)),
			zap.String("problem", f.Problem), zap.String("mend", f.Mend))
	}
	if c.cfg.Doctor == DoctorFail {
		return report.Err()
	}
	return nil
}

// patient is a queue under examination.
type patient struct {
	api      API
	cfg      Queue
	name     string
	findings []Finding
}

func (p *patient) find(s Severity, mend, problem string, args ...any) {
	p.findings = append(p.findings, Finding{Queue: p.name, Severity: s, Problem: fmt.Sprintf(problem, args...), Mend: mend})
}

func (p *patient) examine(ctx context.Context) {
	url, err := resolve(ctx, p.api, p.cfg.Name)
	if err != nil {
		p.find(Failure, "create it, or check its name, the region, the account and sqs:GetQueueUrl", "it cannot be found: %v", err)
		return
	}
	queue, err := attributesOf(ctx, p.api, url)
	if err != nil {
		p.find(Failure, "allow sqs:GetQueueAttributes", "its settings cannot be read: %v", err)
		return
	}
	p.examineVisibility(queue)
	p.examineDeadLetters(ctx, queue)
	p.examineFIFO(queue)
	p.examinePermissions(ctx, url)
}

func (p *patient) examineVisibility(queue queueAttributes) {
	visibility := p.cfg.Visibility
	if visibility == 0 {
		visibility = queue.seconds(types.QueueAttributeNameVisibilityTimeout)
	}
	switch {
	case visibility <= 0:
		p.find(Failure, "set Queue.Visibility, or the queue's own to 30 s", "its visibility timeout is 0: every message is received again at once")
	case visibility < 5*time.Second:
		p.find(Warning, "use 30 s: leases are renewed while listeners run", "its visibility timeout of %v leaves little time to renew a lease", visibility)
	case visibility > time.Hour:
		p.find(Warning, "use 30 s: leases are renewed while listeners run", "its visibility timeout of %v is how long a crash delays its messages", visibility)
	}
	if retention := queue.seconds(types.QueueAttributeNameMessageRetentionPeriod); retention > 0 && retention < 4*p.cfg.Retry.Max {
		p.find(Warning, "raise the queue's retention (4 days by default) or lower Retry.Max", "its retention of %v may end before a few retries of up to %v do", retention, p.cfg.Retry.Max)
	}
}

func (p *patient) examineDeadLetters(ctx context.Context, queue queueAttributes) {
	redrive, err := queue.redrive()
	if err != nil {
		p.find(Failure, "set it anew", "its redrive policy cannot be read: %v", err)
		return
	}
	if redrive.Target == "" {
		mend := "give it a dead-letter queue with a redrive policy"
		if p.cfg.DeadLetter == "" {
			p.find(Warning, mend, "it has no dead-letter queue: a message that always fails is retried until its retention ends, and lost")
		} else {
			p.find(Warning, mend, "it has no redrive policy: only messages that can never succeed reach %q", p.cfg.DeadLetter)
		}
		return
	}
	if redrive.MaxReceives > 0 && redrive.MaxReceives < 3 {
		p.find(Warning, "use 3 or more", "its maxReceiveCount of %d sends messages to the dead-letter queue after a redeploy or two", redrive.MaxReceives)
	}
	url, err := resolve(ctx, p.api, redrive.Target)
	if err != nil {
		p.find(Failure, "create it, or mend the redrive policy", "its dead-letter queue %q cannot be found: %v", redrive.Target, err)
		return
	}
	dead, err := attributesOf(ctx, p.api, url)
	if err != nil {
		p.find(Warning, "allow sqs:GetQueueAttributes on it", "the settings of its dead-letter queue cannot be read: %v", err)
		return
	}
	own, other := queue.seconds(types.QueueAttributeNameMessageRetentionPeriod), dead.seconds(types.QueueAttributeNameMessageRetentionPeriod)
	if other <= own && own > 0 && !strings.HasSuffix(redrive.Target, ".fifo") {
		// A standard queue's messages keep their first timestamp when they move.
		p.find(Warning, "give the dead-letter queue a longer retention, 14 days at most", "its dead-letter queue keeps messages %v from when they were first sent, no longer than the queue's own %v", other, own)
	}
}

func (p *patient) examineFIFO(queue queueAttributes) {
	if queue[string(types.QueueAttributeNameFifoQueue)] != "true" {
		return
	}
	if queue["DeduplicationScope"] == "messageGroup" && queue["FifoThroughputLimit"] != "perMessageGroupId" {
		p.find(Warning, "set FifoThroughputLimit to perMessageGroupId", "it deduplicates by group and yet has the low throughput limit of 300 requests/s")
	}
}

func (p *patient) examinePermissions(ctx context.Context, url string) {
	nobody := aws.String("fxpond-doctor")
	_, err := p.api.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{
		QueueUrl: aws.String(url), Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: nobody}},
	})
	if denied(err) {
		p.find(Failure, "allow sqs:DeleteMessage", "handled messages cannot be deleted, so all of them come back: %v", err)
	}
	_, err = p.api.ChangeMessageVisibilityBatch(ctx, &awssqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: aws.String(url), Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: nobody}},
	})
	if denied(err) {
		p.find(Failure, "allow sqs:ChangeMessageVisibility", "leases cannot be renewed and retries not spaced: %v", err)
	}
}

// queueAttributes are a queue's settings by AWS's names.
type queueAttributes map[string]string

func attributesOf(ctx context.Context, api API, url string) (queueAttributes, error) {
	out, err := api.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (a queueAttributes) seconds(name types.QueueAttributeName) time.Duration {
	n, _ := strconv.Atoi(a[string(name)]) // SQS sends numbers
	return time.Duration(n) * time.Second
}

// redrivePolicy is where SQS moves what was received too often.
type redrivePolicy struct {
	Target      string // ARN, "" for none
	MaxReceives int
}

func (a queueAttributes) redrive() (redrivePolicy, error) {
	text := a[string(types.QueueAttributeNameRedrivePolicy)]
	if text == "" {
		return redrivePolicy{}, nil
	}
	var policy struct {
		Target string      `json:"deadLetterTargetArn"`
		Count  json.Number `json:"maxReceiveCount"` // a string or a number, as it was set
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return redrivePolicy{}, err
	}
	n, _ := strconv.Atoi(policy.Count.String()) // absent is 0
	return redrivePolicy{Target: policy.Target, MaxReceives: n}, nil
}
