package events

import "time"

// Message is what a transport received, before anyone knows what it means.
type Message struct {
	// ID is the transport's own, the same on each redelivery. It identifies
	// events whose envelope brings no ID.
	ID string
	// Body is the message text. Decoded events refer to it: do not change it
	// afterwards.
	Body []byte
	// Attributes are the message's string attributes. They become metadata of
	// its events.
	Attributes map[string]string
	// SentAt is when the transport accepted the message. It dates events whose
	// envelope brings no time.
	SentAt time.Time
	// Source names the queue or topic. It becomes the Source of events whose
	// envelope brings none.
	Source string
	// Format pins the outermost envelope. Empty means: find out.
	Format Format
	// Name is the event name if nothing in the message tells one, for queues
	// that carry one kind of event. Empty means: such a message is an error.
	Name string
}

// Format names an envelope of the decoding chain.
type Format string

// The formats that the chain knows by itself. Others come from the group
// "decoders".
const (
	FormatAuto        Format = ""
	FormatFxpond      Format = "fxpond"
	FormatSNS         Format = "sns"
	FormatEventBridge Format = "eventbridge"
	FormatS3          Format = "s3"
	FormatCloudEvents Format = "cloudevents"
	FormatCEBinary    Format = "cloudevents-binary"
	FormatLaravel     Format = "laravel"
	FormatRaw         Format = "raw"
)
