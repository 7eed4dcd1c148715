package sqs

import (
	"encoding/base64"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxInflated bounds what a compressed body may grow to, so that a small message cannot take the
// process's memory.
const maxInflated = 64 << 20

// codec is zstd in base64: SQS takes text only. It is safe for concurrent use and starts no goroutine.
// What it needs is made at first use, since most applications never compress, and belongs to one
// publisher or consumer, since channels in it would not work across testing/synctest bubbles.
type codec struct {
	encoder func() *zstd.Encoder
	decoder func() *zstd.Decoder
}

func newCodec() *codec {
	return &codec{ // options that are constants cannot fail
		encoder: sync.OnceValue(func() *zstd.Encoder {
			e, _ := zstd.NewWriter(nil)
			return e
		}),
		decoder: sync.OnceValue(func() *zstd.Decoder {
			d, _ := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated))
			return d
		}),
	}
}

func (c *codec) compress(body string) string {
	return base64.StdEncoding.EncodeToString(c.encoder().EncodeAll([]byte(body), nil))
}

func (c *codec) decompress(body []byte) ([]byte, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(packed, body)
	if err != nil {
		return nil, err
	}
	return c.decoder().DecodeAll(packed[:n], nil)
}
