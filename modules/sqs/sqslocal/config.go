package sqslocal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
)

// Config is the set-up of a Server. The zero value works.
type Config struct {
	// Addr is the address that Start listens on. It is a loopback address unless you say otherwise: the server checks no
	// signature. Default: a free port of 127.0.0.1.
	Addr string

	// Region is part of queue ARNs. Default: us-east-1.
	Region string

	// Account is the 12-digit account in queue URLs and ARNs. Default: 000000000000.
	Account string

	// Seed makes message ids, faults and everything else drawn at random repeatable. Default: 0, a new seed each time.
	Seed uint64

	// JournalSize is the number of newest journal entries that are kept, 72 bytes each; -1 keeps none. Default: 65536.
	JournalSize int

	// DisableCooldowns lets a deleted queue's name be used again at once, and a queue be purged again at once.
	// Default: off, both take 60 seconds as on AWS.
	DisableCooldowns bool

	// Faults are what goes wrong on purpose from the start; Server.SetFaults changes them. Profile has them by name.
	// Default: none.
	Faults []Fault

	// Snapshot is a file that keeps queues and messages over a restart. It is read at the start if it exists, and written by
	// Close and Server.Save: what happened since is lost with a crash. Default: none.
	Snapshot string
}

const defaultJournalSize = 1 << 16

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Account == "" {
		c.Account = "000000000000"
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.JournalSize == 0 {
		c.JournalSize = defaultJournalSize
	}
	return c
}

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z0-9-]+$`)
)

func (c Config) validate() error {
	var problems []error
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		problems = append(problems, fmt.Errorf("field Addr: %q: %w: write host:port, such as 127.0.0.1:9324", c.Addr, err))
	}
	if !regionPattern.MatchString(c.Region) {
		problems = append(problems, fmt.Errorf("field Region: %q is not a region's name: write one such as us-east-1", c.Region))
	}
	if !accountPattern.MatchString(c.Account) {
		problems = append(problems, fmt.Errorf("field Account: %q is not 12 digits: write one such as 000000000000", c.Account))
	}
	if c.JournalSize < -1 {
		problems = append(problems, fmt.Errorf("field JournalSize: %d is negative: -1 keeps no journal, 0 keeps %d entries", c.JournalSize, defaultJournalSize))
	}
	for _, f := range c.Faults {
		if err := f.validate(); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("sqslocal: invalid config: %w", errors.Join(problems...))
	}
	return nil
}
