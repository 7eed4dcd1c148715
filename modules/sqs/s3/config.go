package s3

import "errors"

// Config says where the objects are.
type Config struct {
	// Bucket is the bucket's name. Required.
	Bucket string

	// Prefix begins the key of each object that is written, such as "events/". Default: none.
	Prefix string

	// MaxBytes bounds what is read into memory: a longer object is an error. Default 64 MiB.
	MaxBytes int64
}

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Bucket == "" {
		errs = append(errs, errors.New("s3.Config.Bucket: is empty: name the bucket"))
	}
	if c.MaxBytes < 0 {
		errs = append(errs, errors.New("s3.Config.MaxBytes: is negative: use 0 for the default of 64 MiB, or a positive number of bytes"))
	}
	return errors.Join(errs...)
}
