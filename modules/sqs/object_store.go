package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ObjectStore keeps bodies that are too long for a queue. modules/sqs/s3 is one. Its methods are called
// concurrently.
type ObjectStore interface {
	// Bucket names the store in pointers; pointers into another one are not followed.
	Bucket() string

	// Put stores a body under a new key.
	Put(ctx context.Context, body []byte) (key string, err error)

	// Get answers [ErrNoObject] when there is nothing under the key.
	Get(ctx context.Context, key string) ([]byte, error)

	// Delete succeeds when there is nothing under the key.
	Delete(ctx context.Context, key string) error
}

// ErrNoObject is for a key without an object.
var ErrNoObject = errors.New("sqs: the object is not there")

// pointer is the body of a message whose real body is in the store, as AWS's Extended Client Libraries
// write it: ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": ..., "s3Key": ...}].
type pointer struct {
	Bucket string `json:"s3BucketName"`
	Key    string `json:"s3Key"`
}

const pointerClass = "software.amazon.payloadoffloading.PayloadS3Pointer"

func offload(ctx context.Context, store ObjectStore, body string) (string, error) {
	key, err := store.Put(ctx, []byte(body))
	if err != nil {
		return "", fmt.Errorf("offloading the body of %d bytes: %w", len(body), err)
	}
	text, err := json.Marshal([]any{pointerClass, pointer{Bucket: store.Bucket(), Key: key}})
	return string(text), err
}

// parsePointer says whether a body is a pointer. Older libraries wrote other class names.
func parsePointer(body []byte) (at pointer, ok bool) {
	if !bytes.HasPrefix(body, []byte("[")) {
		return at, false
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil || len(parts) != 2 {
		return at, false
	}
	err := json.Unmarshal(parts[1], &at)
	return at, err == nil && at.Bucket != "" && at.Key != ""
}

// errNoStore is retried: a deployment with a store can still read the message.
var errNoStore = errors.New("the body is in an object store, and this consumer has none: supply a sqs.ObjectStore, such as that of modules/sqs/s3")

func fetch(ctx context.Context, store ObjectStore, at pointer) ([]byte, error) {
	if store == nil {
		return nil, errNoStore
	}
	if at.Bucket != store.Bucket() {
		return nil, &unreadableError{fmt.Errorf("the body is in bucket %q, and this consumer reads %q only", at.Bucket, store.Bucket())}
	}
	body, err := store.Get(ctx, at.Key)
	if errors.Is(err, ErrNoObject) {
		return nil, &unreadableError{fmt.Errorf("fetching the body %q: %w", at.Key, err)}
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the body %q: %w", at.Key, err)
	}
	return body, nil
}
