package sqslocal

import (
	"context"
	"encoding/base64"
)

type startMoveRequest struct {
	Source      string `sqs:"SourceArn"`
	Destination string `sqs:"DestinationArn"`
	Rate        *int   `sqs:"MaxNumberOfMessagesPerSecond"`
}

type startMoveAnswer struct {
	TaskHandle string `sqs:"TaskHandle"`
}

func startMessageMoveTask(_ context.Context, c *call, in *startMoveRequest) (*startMoveAnswer, error) {
	s := c.server
	source, err := s.moveSource(in.Source)
	if err != nil {
		return nil, err
	}
	if len(s.deadLetterSources(source)) == 0 {
		return nil, errInvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	task := &moveTask{server: s, source: source, status: taskRunning, started: s.now()}
	if in.Destination != "" {
		task.destination = s.queueByARN(in.Destination)
		switch {
		case task.destination == nil:
			return nil, errResourceNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
		case task.destination.fifo != source.fifo:
			return nil, errInvalidParameter("Source queue and destination queue must be of the same type.")
		case task.destination == source:
			return nil, errInvalidParameter("Source queue arn and destination queue arn cannot be the same.")
		}
	}
	if in.Rate != nil {
		task.rate = *in.Rate
		if task.rate < 1 || task.rate > maxMoveRate {
			return nil, errParameter(task.rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
		}
	}
	source.lock()
	task.toMove = len(source.messages) - source.inFlight - source.delayed
	task.handle = base64.StdEncoding.EncodeToString([]byte(source.newID().String() + " " + source.arn))
	source.unlock()
	if err := s.tasks.add(task); err != nil {
		return nil, err
	}
	return &startMoveAnswer{task.handle}, nil
}

// moveSource finds the queue of a SourceArn.
func (s *Server) moveSource(arn string) (*queue, error) {
	if arn == "" {
		return nil, errMissingParameter("SourceArn")
	}
	if q := s.queueByARN(arn); q != nil {
		return q, nil
	}
	return nil, errResourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
}

type cancelMoveRequest struct {
	TaskHandle string `sqs:"TaskHandle"`
}

type cancelMoveAnswer struct {
	Moved int `sqs:"ApproximateNumberOfMessagesMoved"`
}

func cancelMessageMoveTask(_ context.Context, c *call, in *cancelMoveRequest) (*cancelMoveAnswer, error) {
	if in.TaskHandle == "" {
		return nil, errMissingParameter("TaskHandle")
	}
	task := c.server.tasks.find(in.TaskHandle)
	if task == nil {
		return nil, errResourceNotFound("Task does not exist.")
	}
	if !task.end(taskCancelled, "") {
		return nil, errUnsupported("Only active tasks can be cancelled.")
	}
	task.mu.Lock()
	defer task.mu.Unlock()
	return &cancelMoveAnswer{task.moved}, nil
}

type listMovesRequest struct {
	Source     string `sqs:"SourceArn"`
	MaxResults *int   `sqs:"MaxResults"`
}

type listMovesAnswer struct {
	Results []moveResult `sqs:"Results,ListMessageMoveTasksResultEntry"`
}

type moveResult struct {
	TaskHandle  string `sqs:"TaskHandle"`
	Status      string `sqs:"Status"`
	Source      string `sqs:"SourceArn"`
	Destination string `sqs:"DestinationArn"`
	Rate        *int   `sqs:"MaxNumberOfMessagesPerSecond"`
	Moved       int    `sqs:"ApproximateNumberOfMessagesMoved"`
	ToMove      int    `sqs:"ApproximateNumberOfMessagesToMove"`
	Failure     string `sqs:"FailureReason"`
	Started     int64  `sqs:"StartedTimestamp"`
}

func listMessageMoveTasks(_ context.Context, c *call, in *listMovesRequest) (*listMovesAnswer, error) {
	source, err := c.server.moveSource(in.Source)
	if err != nil {
		return nil, err
	}
	limit := 1
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > keptTasks {
		return nil, errParameter(limit, "MaxResults", "Must be between 1 and 10, if provided.")
	}
	out := &listMovesAnswer{}
	for _, task := range c.server.tasks.of(source.arn) {
		if len(out.Results) < limit {
			out.Results = append(out.Results, task.result())
		}
	}
	return out, nil
}

func (t *moveTask) result() moveResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := moveResult{
		Status: string(t.status), Source: t.source.arn, Moved: t.moved, ToMove: t.toMove, Failure: t.reason,
		Started: t.server.millis(t.started),
	}
	if t.status == taskRunning {
		r.TaskHandle = t.handle
	}
	if t.destination != nil {
		r.Destination = t.destination.arn
	}
	if t.rate > 0 {
		r.Rate = &t.rate
	}
	return r
}

type listSourcesRequest struct {
	QueueURL   string `sqs:"QueueUrl"`
	MaxResults *int   `sqs:"MaxResults"`
	NextToken  string `sqs:"NextToken"`
}

type listSourcesAnswer struct {
	QueueURLs []string `sqs:"queueUrls,QueueUrl"`
	NextToken string   `sqs:"NextToken"`
}

func listDeadLetterSourceQueues(_ context.Context, c *call, in *listSourcesRequest) (*listSourcesAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(c.server.deadLetterSources(q), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listSourcesAnswer{NextToken: next}
	for _, name := range page {
		out.QueueURLs = append(out.QueueURLs, c.base+"/"+c.server.cfg.Account+"/"+name)
	}
	return out, nil
}

// deadLetterSources returns the names of the queues whose dead-letter queue is target, sorted.
func (s *Server) deadLetterSources(target *queue) []string {
	var names []string
	for _, q := range s.allQueues() {
		q.mu.Lock()
		if policy := q.settings.redrive; policy != nil && policy.target == target.arn {
			names = append(names, q.name)
		}
		q.mu.Unlock()
	}
	return names
}
