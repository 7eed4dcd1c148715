package eventbridge

import (
	"fmt"
	"strings"
)

// Config configures the carrier. The zero value works.
type Config struct {
	// Source is the source of events that have none. EventBridge keeps names that begin with "aws." for
	// itself. Default "fxpond".
	Source string
}

func (c Config) withDefaults() Config {
	if c.Source == "" {
		c.Source = "fxpond"
	}
	return c
}

func (c Config) validate() error {
	if strings.HasPrefix(c.Source, "aws.") {
		return fmt.Errorf("eventbridge.Config.Source: %q: EventBridge refuses sources that begin with aws.; use a name of your own", c.Source)
	}
	return nil
}
