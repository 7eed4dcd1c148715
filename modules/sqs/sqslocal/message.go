package sqslocal

import (
	"crypto/md5"
	"encoding/hex"
	"time"
)

// message is one message of one queue. Its queue's lock guards it.
type message struct {
	id         uuid
	bodyMD5    [md5.Size]byte
	state      state
	seq        uint64 // order of arrival in this queue, and its key there
	number     uint64 // FIFO sequence number
	body       string
	attributes []attribute // sorted by name
	trace      string      // AWSTraceHeader
	sender     string
	dedupID    string
	source     string // ARN of the queue that this one was dead-lettered from

	sent          time.Duration
	firstReceived time.Duration
	leased        time.Duration // start of the newest receive
	visibleAt     time.Duration // end of the delay or the visibility timeout
	receives      int           // across all queues
	receipt       uint32        // number of the newest receive in this queue; handles of earlier ones are stale

	group      *group
	order      uint64 // when it became visible, among all of the queue
	prev, next *message
	deadline   int // index in the queue's deadline heap
}

// state says where a message is in its life.
type state uint8

const (
	visible state = iota
	delayed
	inFlight
)

// uuid is a random version 4 UUID.
type uuid [16]byte

func (u uuid) String() string { return string(u.append(make([]byte, 0, 36))) }

func (u uuid) append(b []byte) []byte {
	for i, part := range [5][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}
