package sqslocal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// redrivePolicy says where a message goes after too many receives.
type redrivePolicy struct {
	target      string // ARN of the dead-letter queue
	maxReceives int
}

// maxRedriveReceives is the largest maxReceiveCount.
const maxRedriveReceives = 1000

// parseRedrivePolicy reads the RedrivePolicy attribute. The count may be a number or, as many tools write it, a string.
func parseRedrivePolicy(text string) (*redrivePolicy, error) {
	var doc struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, errInvalidAttributeValue(attrRedrive)
	}
	if doc.Target == "" {
		return nil, errParameter(text, attrRedrive, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if len(doc.Max) == 0 {
		return nil, errParameter(text, attrRedrive, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	n, err := strconv.Atoi(strings.Trim(string(doc.Max), `"`))
	if err != nil || n < 1 || n > maxRedriveReceives {
		return nil, errParameter(text, attrRedrive, fmt.Sprintf("Invalid value for maxReceiveCount: must be an integer from 1 to %d.", maxRedriveReceives))
	}
	return &redrivePolicy{target: doc.Target, maxReceives: n}, nil
}

// String is the form that GetQueueAttributes returns.
func (p *redrivePolicy) String() string {
	b := appendJSONString([]byte(`{"deadLetterTargetArn":`), p.target)
	b = append(b, `,"maxReceiveCount":`...)
	return string(append(strconv.AppendInt(b, int64(p.maxReceives), 10), '}'))
}

// redriveAllowPolicy says which queues may name this one as their dead-letter queue. The zero value allows all.
type redriveAllowPolicy struct {
	deny    bool
	sources []string // nil unless only these may
}

const maxAllowedSources = 10

func parseRedriveAllowPolicy(text string) (redriveAllowPolicy, error) {
	var doc struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return redriveAllowPolicy{}, errInvalidAttributeValue(attrRedriveAllow)
	}
	byQueue := doc.Permission == "byQueue"
	switch {
	case !byQueue && doc.Permission != "allowAll" && doc.Permission != "denyAll":
		return redriveAllowPolicy{}, errInvalidAttributeValue(attrRedriveAllow)
	case byQueue && (len(doc.Sources) == 0 || len(doc.Sources) > maxAllowedSources):
		return redriveAllowPolicy{}, errParameter(text, attrRedriveAllow, "byQueue needs 1 to 10 sourceQueueArns.")
	case !byQueue && doc.Sources != nil:
		return redriveAllowPolicy{}, errParameter(text, attrRedriveAllow, "sourceQueueArns is only valid with byQueue.")
	}
	return redriveAllowPolicy{deny: doc.Permission == "denyAll", sources: doc.Sources}, nil
}

func (p redriveAllowPolicy) permits(source string) bool {
	return !p.deny && (p.sources == nil || slices.Contains(p.sources, source))
}

// checkRedriveTarget holds a new RedrivePolicy of queue source to what AWS checks: the target exists, is of the same kind and
// lets source use it.
func (s *Server) checkRedriveTarget(source string, fifo bool, policy *redrivePolicy) error {
	if policy == nil {
		return nil
	}
	target := s.queueByARN(policy.target)
	switch {
	case target == nil && s.arn(source) == policy.target:
		return nil // a queue may name itself while it is being created
	case target == nil:
		return errParameter(policy.String(), attrRedrive, "Dead letter target does not exist.")
	case target.fifo != fifo:
		return errParameter(policy.String(), attrRedrive, "Dead-letter queue must be same type of queue as the source.")
	}
	target.mu.Lock()
	defer target.mu.Unlock()
	if !target.settings.allow.permits(s.arn(source)) {
		return errParameter(policy.String(), attrRedrive, "Queue does not have permission to use the dead-letter target.")
	}
	return nil
}
