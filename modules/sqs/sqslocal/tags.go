package sqslocal

import (
	"context"
	"maps"
	"unicode/utf8"
)

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags holds tags to dg:sqs-limits.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return errInvalidParameter("Too many tags: a queue has at most %d.", maxTags)
	}
	for key, value := range tags {
		if n := utf8.RuneCountInString(key); n < 1 || n > maxTagKey {
			return errInvalidParameter("The tag key %q is not 1 to %d characters long.", key, maxTagKey)
		}
		if utf8.RuneCountInString(value) > maxTagValue {
			return errInvalidParameter("The value of tag %q is longer than %d characters.", key, maxTagValue)
		}
	}
	return nil
}

type tagRequest struct {
	QueueURL string            `sqs:"QueueUrl"`
	Tags     map[string]string `sqs:"Tags,Tag,Key"`
}

func tagQueue(_ context.Context, c *call, in *tagRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, errMissingParameter("Tags")
	}
	q.lock()
	defer q.unlock()
	tags := maps.Clone(q.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, in.Tags)
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	q.tags = tags
	return &empty{}, nil
}

type untagRequest struct {
	QueueURL string   `sqs:"QueueUrl"`
	Keys     []string `sqs:"TagKeys,TagKey"`
}

func untagQueue(_ context.Context, c *call, in *untagRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Keys) == 0 {
		return nil, errMissingParameter("TagKeys")
	}
	q.lock()
	defer q.unlock()
	for _, key := range in.Keys {
		delete(q.tags, key)
	}
	return &empty{}, nil
}

type tagsAnswer struct {
	Tags map[string]string `sqs:"Tags,Tag,Key"`
}

func listQueueTags(_ context.Context, c *call, in *queueRequest) (*tagsAnswer, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	q.lock()
	defer q.unlock()
	return &tagsAnswer{maps.Clone(q.tags)}, nil
}
