package ops

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// Config sets up the server. The zero value serves a read-only page, probes and metrics on loopback.
type Config struct {
	// Addr is where the server listens, as host:port; port 0 takes a free one, which the log names. An
	// address that other machines reach needs Token, Middleware or DisablePage. "-" opens no socket: mount
	// [Server.Handler] yourself, where only operators come. Default "127.0.0.1:9464", the port of OpenTelemetry's Prometheus exporters.
	Addr string

	// BasePath stands before every path, such as "/ops", for a reverse proxy or a mux of your own.
	// Default "".
	BasePath string

	// Writable lets the page pause and resume queues, redrive and purge dead letters, and requeue parked
	// events. It needs Token or Middleware. Default false.
	Writable bool

	// Token, of 16 characters or more, is asked for by the page's API, as "Authorization: Bearer". Probes
	// and /metrics do not ask. Default "": nobody is asked.
	Token string

	// Middleware wraps page and API, but not probes and /metrics: authentication of your own, in place of
	// Token or beside it. Default none.
	Middleware func(http.Handler) http.Handler

	// ShowBodies shows message bodies, payloads and all attributes: whoever sees the page sees what your
	// users sent. Default false.
	ShowBodies bool

	// DisablePage serves probes and /metrics alone. Default false.
	DisablePage bool

	// Failures is how many failed listener runs are kept to be shown. Default 200; -1 keeps none.
	Failures int

	// LookInterval is how often at most things outside the process are asked: SQS for the depth of queues,
	// two requests for each, and the database. They are asked while the page is open or metrics are
	// scraped, never otherwise. Default 5s; -1 never asks.
	LookInterval time.Duration

	// WedgedAfter is when the pool counts as wedged, so that /livez fails: a task has waited this long, and
	// none has ended meanwhile. Keep it above the longest task. Default 10m; -1 never.
	WedgedAfter time.Duration

	// ShutdownTimeout bounds Stop, which also obeys its context; the shorter wins. Default 500ms.
	ShutdownTimeout time.Duration
}

// minToken is what nobody guesses, if it is random.
const minToken = 16

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:9464"
	}
	c.BasePath = strings.TrimSuffix(c.BasePath, "/")
	if c.Failures == 0 {
		c.Failures = 200
	}
	if c.LookInterval == 0 {
		c.LookInterval = 5 * time.Second
	}
	if c.WedgedAfter == 0 {
		c.WedgedAfter = 10 * time.Minute
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 500 * time.Millisecond
	}
	return c
}

func (c Config) validate() error {
	var problems []error
	report := func(field string, value any, mend string) {
		problems = append(problems, fmt.Errorf("ops.Config.%s is %v: %s", field, value, mend))
	}
	guarded := c.Token != "" || c.Middleware != nil
	if c.Addr != "-" {
		host, port, err := net.SplitHostPort(c.Addr)
		switch {
		case err != nil:
			report("Addr", fmt.Sprintf("%q", c.Addr), `write host:port, such as "127.0.0.1:9464"; "-" opens no socket`)
		case port == "":
			report("Addr", fmt.Sprintf("%q", c.Addr), "it names no port: append one, 0 takes a free one")
		case !loopback(host) && !guarded && !c.DisablePage:
			report("Addr", fmt.Sprintf("%q", c.Addr), "other machines reach it, and nobody is asked who they are: set Token or Middleware, or DisablePage to serve probes and metrics alone, or listen on 127.0.0.1")
		}
	}
	if c.BasePath != "" && (c.BasePath[0] != '/' || strings.ContainsAny(c.BasePath, "{} ?#") || strings.Contains(c.BasePath, "//")) {
		report("BasePath", fmt.Sprintf("%q", c.BasePath), `write a plain path that begins with a slash, such as "/ops"`)
	}
	if c.Token != "" && len(c.Token) < minToken {
		report("Token", "too short", fmt.Sprintf("use %d random characters or more, such as those of `openssl rand -hex 16`", minToken))
	}
	if c.Writable && !guarded {
		report("Writable", true, "set Token, or Middleware that knows who may change things")
	}
	if c.Writable && c.DisablePage {
		report("Writable", true, "DisablePage leaves nothing to write with: set one of them")
	}
	for _, n := range []struct {
		field string
		value int64
		show  any
		off   bool
	}{
		{"Failures", int64(c.Failures), c.Failures, true},
		{"LookInterval", int64(c.LookInterval), c.LookInterval, true},
		{"WedgedAfter", int64(c.WedgedAfter), c.WedgedAfter, true},
		{"ShutdownTimeout", int64(c.ShutdownTimeout), c.ShutdownTimeout, false},
	} {
		switch {
		case n.value < -1 && n.off, n.value < 0 && !n.off:
			report(n.field, n.show, "it cannot be negative: use 0 for the default"+map[bool]string{true: ", -1 for off"}[n.off])
		case n.field == "LookInterval" && n.value > 0 && c.LookInterval < time.Second:
			report(n.field, n.show, "each look costs requests to SQS: use 1s or more")
		}
	}
	return errors.Join(problems...)
}

// loopback says whether only this machine reaches the host. A name other than localhost may be anything.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// MarshalLogObject writes the effective values, for the one line at start.
func (c Config) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("addr", c.Addr)
	enc.AddString("base_path", c.BasePath)
	enc.AddBool("writable", c.Writable)
	enc.AddBool("token", c.Token != "") // never the token itself
	enc.AddBool("middleware", c.Middleware != nil)
	enc.AddBool("show_bodies", c.ShowBodies)
	enc.AddBool("page", !c.DisablePage)
	enc.AddInt("failures", c.Failures)
	enc.AddDuration("look_interval", c.LookInterval)
	enc.AddDuration("wedged_after", c.WedgedAfter)
	enc.AddDuration("shutdown_timeout", c.ShutdownTimeout)
	return nil
}
