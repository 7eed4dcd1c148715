package events

import (
	"errors"
	"strconv"
	"time"
)

// laravelEnvelope is a job on a Laravel queue. The event is named after the
// job's class, "App\Jobs\SendInvoice"; the payload is the job's data, in which
// "command" is serialized PHP. It is handed over as text and never
// unserialized, which would run whatever it names.
type laravelEnvelope struct{ maxDepth int }

func (laravelEnvelope) Format() Format { return FormatLaravel }

func (e laravelEnvelope) Detect(l *Layer) bool {
	return l.has("displayName", "job") && e.commandName(l) != ""
}

func (e laravelEnvelope) commandName(l *Layer) (name string) {
	data, ok := l.kept("data")
	if !ok || data[0] != '{' {
		return ""
	}
	_, err := scanObject(data, e.maxDepth, func(key, value []byte) {
		if string(key) == `"commandName"` {
			name, _ = text(value)
		}
	})
	if err != nil {
		return ""
	}
	return name
}

func (e laravelEnvelope) Unwrap(l *Layer) ([]Part, error) {
	p := Part{ID: l.text("uuid"), Name: l.text("displayName"), Metadata: map[string]string{
		"laravel.job":     l.text("job"),
		"laravel.command": e.commandName(l),
	}}
	if p.Name == "" {
		return nil, errors.New("displayName is empty")
	}
	if created, ok := l.kept("createdAt"); ok {
		if seconds, err := strconv.ParseInt(string(created), 10, 64); err == nil {
			p.Time = time.Unix(seconds, 0)
		}
	}
	p.Body, _ = l.kept("data")
	return []Part{p}, nil
}
