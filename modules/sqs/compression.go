package sqs

import (
	"encoding/base64"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxInflated bounds what a compressed body may grow to, so that a small message cannot take the
// process's memory.
const maxInflated = 64 << 20

// The coders are made at first use and shared: EncodeAll and DecodeAll may be called concurrently and
// start no goroutine. Their options are constants, so that making them cannot fail.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, _ := zstd.NewWriter(nil)
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated))
		return d
	})
)

// compress answers the body as base64 of zstd: SQS takes text only.
func compress(body string) string {
	return base64.StdEncoding.EncodeToString(encoder().EncodeAll([]byte(body), nil))
}

func decompress(body []byte) ([]byte, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(packed, body)
	if err != nil {
		return nil, err
	}
	return decoder().DecodeAll(packed[:n], nil)
}
