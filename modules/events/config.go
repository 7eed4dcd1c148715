package events

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config sets up the bus and the decoder. The zero value is a good default.
type Config struct {
	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter
	// wins. When it has passed, asynchronous dispatches still running are
	// cancelled and reported. Default 1s; -1 leaves it to the context.
	ShutdownTimeout time.Duration

	// Record selects events, by patterns as listeners use, that are appended to
	// the store before their listeners run. Default none.
	Record []string

	// StoreSize is how many events the default store in memory keeps. It is
	// made if Record is set and no other store is given. Default 10,000.
	StoreSize int

	// LedgerSize is how many marks the default ledger in memory keeps, one for
	// each listener that has finished an event. It is made if no other ledger is
	// given. Default 250,000, about 12 MB when full; -1 turns it off, so that a
	// redelivered event runs all its listeners.
	LedgerSize int

	// ParentFromMessage makes the span of a delivery a child of the sender's
	// instead of linking to it. Default false.
	ParentFromMessage bool

	// DisableListenerSpans leaves out the span of each listener. Default false.
	DisableListenerSpans bool

	// Decode sets up the decoder.
	Decode DecodeConfig
}

// DecodeConfig sets up how message bodies become events.
type DecodeConfig struct {
	// Formats is the decoding chain, in the order in which envelopes are tried;
	// a format that is not listed is not tried. FormatRaw always comes last.
	// Default: those of the group "decoders", by name, then fxpond, sns,
	// eventbridge, s3, cloudevents, cloudevents-binary, laravel.
	Formats []Format

	// NameAttributes are the message attributes that may hold the name of a raw
	// event; the first one set wins. Default event, event_name, type.
	NameAttributes []string

	// NameFields are the top-level body fields that may hold the name of a raw
	// event, if no attribute does. Default event, type, name.
	NameFields []string

	// PayloadField is the top-level body field that holds the payload of a raw
	// event. A body without it is the payload itself. Default "": the body is
	// the payload.
	PayloadField string

	// EventBridgeName makes the event name of an EventBridge event whose detail
	// brings none; {source} and {detail-type} stand for its fields.
	// Default "{source}.{detail-type}".
	EventBridgeName string

	// MaxBody is the largest message body, in bytes. Default 1 MiB, the limit
	// of SQS.
	MaxBody int

	// MaxDepth is how deeply JSON may nest. Default 128.
	MaxDepth int

	// MaxLayers is how many envelopes may wrap each other. Default 3.
	MaxLayers int

	// MaxDecoded is how many bytes the bodies unwrapped from one message may
	// have in sum. Default 4 MiB.
	MaxDecoded int
}

const (
	defaultShutdownTimeout = time.Second
	defaultEventBridgeName = "{source}.{detail-type}"
	defaultMaxBody         = 1 << 20
	defaultMaxDepth        = 128
	defaultMaxLayers       = 3
	defaultMaxDecoded      = 4 << 20
)

func (c Config) withDefaults() Config {
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = defaultShutdownTimeout
	}
	if c.StoreSize == 0 {
		c.StoreSize = DefaultStoreSize
	}
	if c.LedgerSize == 0 {
		c.LedgerSize = DefaultLedgerSize
	}
	c.Decode = c.Decode.withDefaults()
	return c
}

// validate expects defaults to be filled in.
func (c Config) validate() error {
	var errs []error
	if c.ShutdownTimeout < 0 && c.ShutdownTimeout != -1 {
		errs = append(errs, badField("ShutdownTimeout", c.ShutdownTimeout, "a duration cannot be negative",
			"use -1 to leave it to Stop's context, 0 for the default"))
	}
	if c.StoreSize < 0 {
		errs = append(errs, badField("StoreSize", c.StoreSize, "a size cannot be negative", "use 0 for the default"))
	}
	if c.LedgerSize < -1 {
		errs = append(errs, badField("LedgerSize", c.LedgerSize, "a size cannot be negative", "use -1 for no ledger, 0 for the default"))
	}
	return errors.Join(append(errs, c.Decode.validate())...)
}

func (c DecodeConfig) withDefaults() DecodeConfig {
	if c.NameAttributes == nil {
		c.NameAttributes = []string{"event", "event_name", "type"}
	}
	if c.NameFields == nil {
		c.NameFields = []string{"event", "type", "name"}
	}
	if c.EventBridgeName == "" {
		c.EventBridgeName = defaultEventBridgeName
	}
	for _, limit := range []struct {
		value    *int
		standard int
	}{
		{&c.MaxBody, defaultMaxBody},
		{&c.MaxDepth, defaultMaxDepth},
		{&c.MaxLayers, defaultMaxLayers},
		{&c.MaxDecoded, defaultMaxDecoded},
	} {
		if *limit.value == 0 {
			*limit.value = limit.standard
		}
	}
	return c
}

func (c DecodeConfig) validate() error {
	var errs []error
	for _, limit := range []struct {
		field string
		value int
	}{
		{"Decode.MaxBody", c.MaxBody},
		{"Decode.MaxDepth", c.MaxDepth},
		{"Decode.MaxLayers", c.MaxLayers},
		{"Decode.MaxDecoded", c.MaxDecoded},
	} {
		if limit.value < 0 {
			errs = append(errs, badField(limit.field, limit.value, "a limit cannot be negative", "use 0 for the default"))
		}
	}
	return errors.Join(errs...)
}

func badField(field string, value any, reason, hint string) error {
	return fmt.Errorf("events.Config.%s is %v: %s; %s", field, value, reason, hint)
}

// MarshalLogObject writes the effective values, for the one line at start.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddDuration("shutdown_timeout", c.ShutdownTimeout)
	enc.AddInt("ledger_size", c.LedgerSize)
	enc.AddInt("store_size", c.StoreSize)
	enc.AddInt("max_body", c.Decode.MaxBody)
	enc.AddInt("max_depth", c.Decode.MaxDepth)
	enc.AddInt("max_layers", c.Decode.MaxLayers)
	enc.AddInt("max_decoded", c.Decode.MaxDecoded)
	enc.AddString("eventbridge_name", c.Decode.EventBridgeName)
	return enc.AddReflected("record", c.Record)
}
