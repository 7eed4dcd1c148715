package sns

import "fmt"

// Config configures the carrier. The zero value works.
type Config struct {
	// MaxBytes is the MaximumMessageSize of the topics: of one message, and of all in a request.
	// Default 262144, which is what a topic has unless it is set; at most 1048576.
	MaxBytes int
}

const (
	defaultMaxBytes = 256 << 10
	mostBytes       = 1 << 20
)

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	return c
}

func (c Config) validate() error {
	if c.MaxBytes < 1 || c.MaxBytes > mostBytes {
		return fmt.Errorf("sns.Config.MaxBytes: %d: SNS takes messages of up to %d bytes; use 0 for the default of a topic, %d", c.MaxBytes, mostBytes, defaultMaxBytes)
	}
	return nil
}
