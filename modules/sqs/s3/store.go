package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/uuid"

	"github.com/fxpond/fxpond/modules/sqs"
)

// API is the part of [awss3.Client] that this package calls.
type API interface {
	PutObject(context.Context, *awss3.PutObjectInput, ...func(*awss3.Options)) (*awss3.PutObjectOutput, error)
	GetObject(context.Context, *awss3.GetObjectInput, ...func(*awss3.Options)) (*awss3.GetObjectOutput, error)
	DeleteObject(context.Context, *awss3.DeleteObjectInput, ...func(*awss3.Options)) (*awss3.DeleteObjectOutput, error)
}

// Store keeps objects in one bucket. It is safe for concurrent use.
type Store struct {
	cfg Config
	api API
}

var _ sqs.ObjectStore = (*Store)(nil)

// NewStore makes a store for sqs.WithObjectStore. It makes no request.
func NewStore(cfg Config, api API) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if api == nil {
		return nil, errors.New("s3: NewStore: no S3 client")
	}
	return &Store{cfg: cfg, api: api}, nil
}

// Bucket implements [sqs.ObjectStore].
func (s *Store) Bucket() string { return s.cfg.Bucket }

// Put implements [sqs.ObjectStore].
func (s *Store) Put(ctx context.Context, body []byte) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("s3: naming an object: %w", err)
	}
	key := s.cfg.Prefix + id.String()
	if _, err := s.api.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(s.cfg.Bucket), Key: aws.String(key), Body: bytes.NewReader(body)}); err != nil {
		return "", fmt.Errorf("s3: writing %q to bucket %q: %w", key, s.cfg.Bucket, err)
	}
	return key, nil
}

// Get implements [sqs.ObjectStore].
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	out, err := s.api.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(s.cfg.Bucket), Key: aws.String(key)})
	if err != nil {
		// Without the permission to list the bucket S3 answers 403 for a missing object: that is retried,
		// since it may as well be the permission to read that is missing.
		if none := (*types.NoSuchKey)(nil); errors.As(err, &none) {
			err = fmt.Errorf("%w: %w", sqs.ErrNoObject, err)
		}
		return nil, fmt.Errorf("s3: reading %q from bucket %q: %w", key, s.cfg.Bucket, err)
	}
	defer out.Body.Close() //nolint:errcheck // it was read to its end, or the error of that counts
	body, err := io.ReadAll(io.LimitReader(out.Body, s.cfg.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("s3: reading %q from bucket %q: %w", key, s.cfg.Bucket, err)
	case int64(len(body)) > s.cfg.MaxBytes:
		return nil, fmt.Errorf("s3: reading %q from bucket %q: it is longer than s3.Config.MaxBytes, %d", key, s.cfg.Bucket, s.cfg.MaxBytes)
	}
	return body, nil
}

// Delete implements [sqs.ObjectStore].
func (s *Store) Delete(ctx context.Context, key string) error {
	if _, err := s.api.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(s.cfg.Bucket), Key: aws.String(key)}); err != nil {
		return fmt.Errorf("s3: deleting %q from bucket %q: %w", key, s.cfg.Bucket, err)
	}
	return nil
}
