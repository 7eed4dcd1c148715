package sqslocal

import (
	"maps"
	"strings"
)

// CreateQueue creates a queue for a test or an example and returns its URL. A name that ends in .fifo makes a FIFO queue.
// Attributes are those of the API, such as VisibilityTimeout; nil means all defaults.
func (s *Server) CreateQueue(name string, attributes map[string]string) (url string, err error) {
	given := map[string]string{}
	maps.Copy(given, attributes)
	if strings.HasSuffix(name, ".fifo") {
		given[attrFIFO] = yes
	}
	q, err := s.createQueue(&createQueueRequest{QueueName: name, Attributes: given})
	if err != nil {
		return "", err
	}
	c := call{server: s, base: s.URL()}
	return c.queueURL(q), nil
}

// QueueState is what a queue holds at one moment.
type QueueState struct {
	Visible  int // messages that the next receive could take
	InFlight int // received and neither deleted nor visible again
	Delayed  int // sent and not yet visible
	Polls    int // long polls that wait
}

// Queue returns the state of a queue, and whether it exists.
func (s *Server) Queue(name string) (QueueState, bool) {
	q := s.queue(name)
	if q == nil {
		return QueueState{}, false
	}
	q.lock()
	defer q.unlock()
	return QueueState{
		Visible: len(q.messages) - q.inFlight - q.delayed, InFlight: q.inFlight, Delayed: q.delayed, Polls: q.polls.line.Len(),
	}, true
}

// Calls returns how many requests have asked for an action, such as ReceiveMessage, well formed ones and those with a fault
// included.
func (s *Server) Calls(action string) int {
	if n, known := s.calls[action]; known {
		return int(n.Load())
	}
	return 0
}

// Journal is the record of every message's life.
func (s *Server) Journal() *Journal { return s.journal }

// SetFaults replaces the faults that are in force. None restores health.
func (s *Server) SetFaults(all ...Fault) error {
	for _, f := range all {
		if err := f.validate(); err != nil {
			return err
		}
	}
	s.faults.set(all)
	return nil
}

// Faulted returns how often the faults of a name, which is their effect unless they have one, have happened.
func (s *Server) Faulted(name string) int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return s.faults.struck[name]
}
