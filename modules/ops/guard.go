package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"
)

// policy lets the page load what we serve and talk to where it came from, and nothing else: no inline
// script or style, no frame around it, no form that posts elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard stands around page and API.
func (s *Server) guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	if s.cfg.Middleware != nil {
		next = s.cfg.Middleware(next)
	}
	open := s.cfg.Token == "" && s.cfg.Middleware == nil && s.cfg.Addr != "-"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if open && !loopback(hostOf(r.Host)) {
			// A name of somebody's own that resolves to 127.0.0.1 would make his page the same origin.
			refuse(w, http.StatusForbidden, "the page answers to localhost and 127.0.0.1 only: set ops.Config.Token or Middleware to serve it under another name")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// authorized asks for the token, if there is one.
func (s *Server) authorized(next http.HandlerFunc) http.Handler {
	if s.cfg.Token == "" {
		return next
	}
	want := sha256.Sum256([]byte(s.cfg.Token)) // equal lengths: the comparison tells nothing
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(given))
		if !bearer || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="ops"`)
			refuse(w, http.StatusUnauthorized, "send the token of ops.Config.Token as \"Authorization: Bearer\"")
			return
		}
		next(w, r)
	})
}

// writing lets operators in only where they may change things.
func (s *Server) writing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.cfg.Writable {
			refuse(w, http.StatusForbidden, "read-only: set ops.Config.Writable, with Token or Middleware, to change things here")
			return
		}
		next(w, r)
	}
}

// bounded is the request's context with an end of its own and the server's.
func (s *Server) bounded(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	stop := context.AfterFunc(s.base, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
