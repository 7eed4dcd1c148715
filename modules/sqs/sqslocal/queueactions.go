package sqslocal

import (
	"context"
	"maps"
	"slices"
	"strings"
)

type createQueueRequest struct {
	QueueName  string            `sqs:"QueueName"`
	Attributes map[string]string `sqs:"Attributes,Attribute"`
	Tags       map[string]string `sqs:"tags,Tag,Key"`
	AlsoTags   map[string]string `sqs:"Tags"` // some SDKs write it as the other members
}

type queueURLAnswer struct {
	QueueURL string `sqs:"QueueUrl"`
}

// maxName is the longest name of a queue, a batch entry or a permission.
const maxName = 80

// validName reports whether a name has 1 to 80 letters, digits, hyphens and underscores.
func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func checkQueueName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, ".fifo")
	switch {
	case len(name) > maxName || !validName(base):
		return errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	case fifo && !suffixed:
		return errInvalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
	case !fifo && suffixed:
		return errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

func createQueue(_ context.Context, c *call, in *createQueueRequest) (*queueURLAnswer, error) {
	q, err := c.server.createQueue(in)
	if err != nil {
		return nil, err
	}
	return &queueURLAnswer{c.queueURL(q)}, nil
}

// createQueue returns the new queue, or the one that is already as the request asks.
func (s *Server) createQueue(in *createQueueRequest) (*queue, error) {
	if in.QueueName == "" {
		return nil, errMissingParameter("QueueName")
	}
	fifo := in.Attributes[attrFIFO] == yes
	if err := checkQueueName(in.QueueName, fifo); err != nil {
		return nil, err
	}
	tags := maps.Clone(in.Tags)
	if tags == nil {
		tags = maps.Clone(in.AlsoTags)
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	defaults := defaultSettings(fifo)
	set, err := defaults.with(fifo, in.Attributes)
	if err != nil {
		return nil, err
	}
	if err := s.checkRedriveTarget(in.QueueName, fifo, set.redrive); err != nil {
		return nil, err
	}
	q, existed, err := s.create(in.QueueName, fifo, set, tags)
	if err == nil && existed {
		err = q.sameAs(in.Attributes, set)
	}
	return q, err
}

// sameAs fails if a queue cannot stand for one that is to be created with these attributes. Attributes that the request does
// not name may differ.
func (q *queue) sameAs(named map[string]string, set settings) error {
	q.lock()
	defer q.unlock()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if q.settings.given[name] != set.given[name] {
			return errQueueNameExists(name)
		}
	}
	return nil
}

type getQueueURLRequest struct {
	QueueName string `sqs:"QueueName"`
	Owner     string `sqs:"QueueOwnerAWSAccountId"`
}

func getQueueURL(_ context.Context, c *call, in *getQueueURLRequest) (*queueURLAnswer, error) {
	if in.QueueName == "" {
		return nil, errInvalidParameter("Value for parameter QueueName is invalid. Reason: Must specify a queue name.")
	}
	q := c.server.queue(in.QueueName)
	if q == nil || in.Owner != "" && in.Owner != c.server.cfg.Account {
		return nil, errQueueDoesNotExist()
	}
	return &queueURLAnswer{c.queueURL(q)}, nil
}

type listQueuesRequest struct {
	Prefix     string `sqs:"QueueNamePrefix"`
	MaxResults *int   `sqs:"MaxResults"`
	NextToken  string `sqs:"NextToken"`
}

type listQueuesAnswer struct {
	QueueURLs []string `sqs:"QueueUrls,QueueUrl"`
	NextToken string   `sqs:"NextToken"`
}

func listQueues(_ context.Context, c *call, in *listQueuesRequest) (*listQueuesAnswer, error) {
	var names []string
	for _, q := range c.server.allQueues() {
		if strings.HasPrefix(q.name, in.Prefix) {
			names = append(names, q.name)
		}
	}
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &listQueuesAnswer{NextToken: next}
	for _, name := range page {
		out.QueueURLs = append(out.QueueURLs, c.base+"/"+c.server.cfg.Account+"/"+name)
	}
	return out, nil
}

type queueRequest struct {
	QueueURL string `sqs:"QueueUrl"`
}

func deleteQueue(_ context.Context, c *call, in *queueRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	c.server.remove(q)
	return &empty{}, nil
}

func purgeQueue(_ context.Context, c *call, in *queueRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	q.lock()
	defer q.unlock()
	if !c.server.cfg.DisableCooldowns && q.now < q.purged+cooldown {
		return nil, errPurgeInProgress(q.name)
	}
	q.purged = q.now
	q.purge()
	return &empty{}, nil
}
