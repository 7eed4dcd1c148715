package sqslocal

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// handle is what a receipt handle says: which message of which queue, and which receive of it.
type handle struct {
	queue   uint64 // queue.tag
	seq     uint64
	receipt uint32
}

// handleSize is the handle's three fields and a check sum, which tells a handle of ours from an invented one.
const handleSize = 8 + 8 + 4 + 4

var handleEncoding = base64.RawURLEncoding

const handlePrefix = "AQEB" // as AWS's begin, so that logs look familiar

func (h handle) String() string {
	var raw [handleSize]byte
	binary.BigEndian.PutUint64(raw[0:], h.queue)
	binary.BigEndian.PutUint64(raw[8:], h.seq)
	binary.BigEndian.PutUint32(raw[16:], h.receipt)
	binary.BigEndian.PutUint32(raw[20:], checksum(raw[:20]))
	out := make([]byte, 0, len(handlePrefix)+32)
	return string(handleEncoding.AppendEncode(append(out, handlePrefix...), raw[:]))
}

// parseHandle returns what text says, and whether this package wrote it.
func parseHandle(text string) (handle, bool) {
	if len(text) != len(handlePrefix)+handleEncoding.EncodedLen(handleSize) || text[:len(handlePrefix)] != handlePrefix {
		return handle{}, false
	}
	var raw [handleSize]byte
	if n, err := handleEncoding.Decode(raw[:], []byte(text[len(handlePrefix):])); err != nil || n != handleSize {
		return handle{}, false
	}
	if binary.BigEndian.Uint32(raw[20:]) != checksum(raw[:20]) {
		return handle{}, false
	}
	return handle{
		queue:   binary.BigEndian.Uint64(raw[0:]),
		seq:     binary.BigEndian.Uint64(raw[8:]),
		receipt: binary.BigEndian.Uint32(raw[16:]),
	}, true
}

func checksum(b []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(b)
	return h.Sum32()
}
