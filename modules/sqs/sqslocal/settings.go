package sqslocal

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// settings are a queue's attributes that a user sets, parsed once.
type settings struct {
	given map[string]string // as the user wrote them, with the defaults

	visibility, delay, retention, wait time.Duration
	maxSize                            int
	contentDedup, dedupPerGroup        bool
	redrive                            *redrivePolicy
	allow                              redriveAllowPolicy
}

// The names of queue attributes.
const (
	yes = "true"
	no  = "false"

	attrAll               = "All"
	attrVisibility        = "VisibilityTimeout"
	attrDelay             = "DelaySeconds"
	attrRetention         = "MessageRetentionPeriod"
	attrWait              = "ReceiveMessageWaitTimeSeconds"
	attrMaxSize           = "MaximumMessageSize"
	attrFIFO              = "FifoQueue"
	attrContentDedup      = "ContentBasedDeduplication"
	attrDedupScope        = "DeduplicationScope"
	attrThroughput        = "FifoThroughputLimit"
	attrRedrive           = "RedrivePolicy"
	attrRedriveAllow      = "RedriveAllowPolicy"
	attrPolicy            = "Policy"
	attrKmsKey            = "KmsMasterKeyId"
	attrKmsReuse          = "KmsDataKeyReusePeriodSeconds"
	attrManagedEncryption = "SqsManagedSseEnabled"

	attrARN        = "QueueArn"
	attrCreated    = "CreatedTimestamp"
	attrModified   = "LastModifiedTimestamp"
	attrVisible    = "ApproximateNumberOfMessages"
	attrNotVisible = "ApproximateNumberOfMessagesNotVisible"
	attrDelayed    = "ApproximateNumberOfMessagesDelayed"
)

// MaxMessageSize is the largest body with its attributes, and the largest batch, in bytes (dg:quotas-messages).
const MaxMessageSize = 1 << 20

// ranges are the numeric attributes with their least and greatest value (api:CreateQueue).
var ranges = map[string][2]int{
	attrVisibility: {0, 43200},
	attrDelay:      {0, 900},
	attrRetention:  {60, 1209600},
	attrWait:       {0, 20},
	attrMaxSize:    {1024, MaxMessageSize},
	attrKmsReuse:   {60, 86400},
}

// choices are the attributes with a closed list of values.
var choices = map[string][]string{
	attrContentDedup:      {yes, no},
	attrManagedEncryption: {yes, no},
	attrDedupScope:        {"queue", "messageGroup"},
	attrThroughput:        {"perQueue", "perMessageGroupId"},
}

var fifoOnly = map[string]bool{attrContentDedup: true, attrDedupScope: true, attrThroughput: true, attrFIFO: true}

func defaultSettings(fifo bool) settings {
	given := map[string]string{
		attrVisibility: "30", attrDelay: "0", attrRetention: "345600", attrWait: "0",
		attrMaxSize: strconv.Itoa(MaxMessageSize), attrManagedEncryption: yes,
	}
	if fifo {
		given[attrFIFO], given[attrContentDedup] = yes, no
		given[attrDedupScope], given[attrThroughput] = "queue", "perQueue"
	}
	s := settings{given: given}
	s.parse()
	return s
}

// with returns the settings with changes applied, or the API's error for the first that is wrong. An empty value of a
// document attribute removes it.
func (s *settings) with(fifo bool, changes map[string]string) (settings, error) {
	next := settings{given: maps.Clone(s.given)}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		value := changes[name]
		if err := checkSetting(fifo, name, value); err != nil {
			return settings{}, err
		}
		if value == "" {
			delete(next.given, name)
			continue
		}
		next.given[name] = value
	}
	if next.given[attrThroughput] == "perMessageGroupId" && next.given[attrDedupScope] != "messageGroup" {
		return settings{}, errInvalidAttributeValue(attrThroughput)
	}
	if changes[attrKmsKey] != "" && changes[attrManagedEncryption] == yes {
		return settings{}, errInvalidAttributeValue(attrManagedEncryption)
	}
	if next.given[attrKmsKey] != "" {
		next.given[attrManagedEncryption] = no
	}
	if err := next.parsePolicies(); err != nil {
		return settings{}, err
	}
	next.parse()
	return next, nil
}

func checkSetting(fifo bool, name, value string) error {
	if fifoOnly[name] && !fifo {
		return errInvalidAttributeName(name)
	}
	if limits, numeric := ranges[name]; numeric {
		n, err := strconv.Atoi(value)
		if err != nil || n < limits[0] || n > limits[1] {
			return errInvalidAttributeValue(name)
		}
		return nil
	}
	if allowed, closed := choices[name]; closed {
		if !slices.Contains(allowed, value) {
			return errInvalidAttributeValue(name)
		}
		return nil
	}
	switch name {
	case attrFIFO:
		if value != yes {
			return errInvalidAttributeValue(name)
		}
	case attrPolicy:
		if value != "" && !json.Valid([]byte(value)) {
			return errInvalidAttributeValue(name)
		}
	case attrRedrive, attrRedriveAllow, attrKmsKey:
	default:
		return errInvalidAttributeName(name)
	}
	return nil
}

func (s *settings) parse() {
	s.visibility = s.seconds(attrVisibility)
	s.delay = s.seconds(attrDelay)
	s.retention = s.seconds(attrRetention)
	s.wait = s.seconds(attrWait)
	s.maxSize = int(s.seconds(attrMaxSize) / time.Second)
	s.contentDedup = s.given[attrContentDedup] == yes
	s.dedupPerGroup = s.given[attrDedupScope] == "messageGroup"
}

// seconds reads a number that checkSetting has let in.
func (s *settings) seconds(name string) time.Duration {
	n, _ := strconv.Atoi(s.given[name])
	return time.Duration(n) * time.Second
}

func (s *settings) parsePolicies() error {
	if text, set := s.given[attrRedrive]; set {
		policy, err := parseRedrivePolicy(text)
		if err != nil {
			return err
		}
		s.redrive = policy
		s.given[attrRedrive] = policy.String()
	}
	if text, set := s.given[attrRedriveAllow]; set {
		allow, err := parseRedriveAllowPolicy(text)
		if err != nil {
			return err
		}
		s.allow = allow
	}
	return nil
}
