package ops_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fxpond/fxpond/modules/ops"
)

// writes are all routes that change something.
var writes = []string{
	"/api/queues/work/pause", "/api/queues/work/resume", "/api/queues/work/redrive", "/api/queues/work/purge",
	"/api/pause", "/api/resume", "/api/parked/requeue",
}

// reads are those that do not.
var reads = []string{"/api/overview", "/api/history", "/api/failures", "/api/contract", "/api/doctor"}

func TestNothingCanBeChangedUnlessWritable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{Token: token}, consuming())
		for _, path := range writes {
			if a := d.post(path, `{"confirm":"work-dead"}`); a.code != 403 || !strings.Contains(a.body, "read-only: set ops.Config.Writable") {
				t.Errorf("POST %s: %d %s", path, a.code, a.body)
			}
		}
		if d.in.Consumer.Stats().Queues[0].Paused {
			t.Error("the queue is paused nevertheless")
		}
	})
}

func TestEveryRouteOfTheAPIAsksForTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{Token: token, Writable: true}, consuming())
		ask := func(method, path string, headers ...string) answerOf {
			return do(d.s.Handler(), method, path, "", headers...)
		}
		for name, headers := range map[string][]string{
			"none":          nil,
			"wrong":         {"Authorization", "Bearer " + strings.Repeat("x", len(token))},
			"longer":        {"Authorization", "Bearer " + token + "x"},
			"shorter":       {"Authorization", "Bearer " + token[:len(token)-1]},
			"empty":         {"Authorization", "Bearer "},
			"without kind":  {"Authorization", token},
			"another kind":  {"Authorization", "Basic " + token},
			"in the query":  nil,
			"in the cookie": {"Cookie", "token=" + token},
		} {
			for _, path := range writes {
				if name == "in the query" {
					path += "?token=" + token
				}
				if a := ask(http.MethodPost, path, headers...); a.code != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("POST %s with token %s: %d %s", path, name, a.code, a.body)
				}
			}
			for _, path := range append(reads, "/api/stream") {
				if a := ask(http.MethodGet, path, headers...); a.code != 401 {
					t.Errorf("GET %s with token %s: %d %s", path, name, a.code, a.body)
				}
			}
			if a := ask(http.MethodPost, "/api/queues/work/peek", headers...); a.code != 401 {
				t.Errorf("peek with token %s: %d %s", name, a.code, a.body)
			}
		}
		for _, path := range reads {
			if a := ask(http.MethodGet, path, "Authorization", "Bearer "+token); a.code != 200 {
				t.Errorf("GET %s with the token: %d %s", path, a.code, a.body)
			}
		}
		for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/", "/app.js", "/app.css"} {
			if a := ask(http.MethodGet, path); a.code != 200 {
				t.Errorf("GET %s asks for the token: %d %s", path, a.code, a.body)
			}
		}
	})
}

func TestOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A middleware that knows its caller by a cookie would let a stranger's page in.
		cookie := func(next http.Handler) http.Handler { return next }
		d := newDesk(t, ops.Config{Middleware: cookie, Writable: true}, consuming())
		for name, headers := range map[string][]string{
			"by Sec-Fetch-Site":       {"Sec-Fetch-Site", "cross-site"},
			"from a sister of ours":   {"Sec-Fetch-Site", "same-site"},
			"by Origin":               {"Origin", "https://evil.example"},
			"another port of ours":    {"Origin", "http://localhost:1"},
			"an origin without a way": {"Origin", "null"},
		} {
			for _, path := range append(writes, "/api/queues/work/peek") {
				if a := do(d.s.Handler(), http.MethodPost, path, "", headers...); a.code != 403 {
					t.Errorf("POST %s %s: %d %s", path, name, a.code, a.body)
				}
			}
		}
		if d.in.Consumer.Stats().Queues[0].Paused {
			t.Error("the queue is paused nevertheless")
		}
		if a := do(d.s.Handler(), http.MethodPost, "/api/pause", "", "Sec-Fetch-Site", "same-origin"); a.code != 200 {
			t.Errorf("our own page: %d %s", a.code, a.body)
		}
	})
}

func TestTheMiddlewareStandsBeforePageAndAPIOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{Writable: true, Middleware: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who are you?", http.StatusTeapot) })
		}}, consuming())
		for _, path := range append(reads, "/", "/app.js", "/api/stream") {
			d.wantCode(path, http.StatusTeapot, "who are you?")
		}
		for _, path := range writes {
			if a := d.post(path, ""); a.code != http.StatusTeapot {
				t.Errorf("POST %s: %d %s", path, a.code, a.body)
			}
		}
		for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics"} {
			d.wantCode(path, 200, "")
		}
	})
}

// A page on a name of its own that resolves to 127.0.0.1 counts as the same origin in a browser.
func TestOtherNamesThanLocalhostAreRefusedWhileNobodyIsAsked(t *testing.T) {
	t.Parallel()
	s, err := ops.NewServer(ops.Config{})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	for host, want := range map[string]int{
		"localhost:9464": 200, "127.0.0.1:9464": 200, "[::1]:9464": 200, "localhost": 200, "127.9.9.9": 200,
		"evil.example:9464": 403, "localhost.evil.example": 403, "10.0.0.1:9464": 403, "": 403,
	} {
		for _, path := range []string{"/", "/api/overview"} {
			if a := do(s.Handler(), http.MethodGet, path, "", "Host", host); a.code != want {
				t.Errorf("GET %s of host %q: %d, want %d", path, host, a.code, want)
			}
		}
		for _, path := range []string{"/livez", "/metrics"} { // asked for by the pod's address
			if a := do(s.Handler(), http.MethodGet, path, "", "Host", host); a.code != 200 {
				t.Errorf("GET %s of host %q: %d", path, host, a.code)
			}
		}
	}
	must(t, s.Stop(context.Background()))
}

func TestHeadersKeepForeignCodeOut(t *testing.T) {
	t.Parallel()
	s, err := ops.NewServer(ops.Config{Addr: "-"})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	for _, path := range []string{"/", "/app.js", "/app.css", "/api/overview"} {
		h := do(s.Handler(), http.MethodGet, path, "").header
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("GET %s: policy %q lacks %q", path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("GET %s: %v", path, h)
		}
	}
	must(t, s.Stop(context.Background()))
}

func TestThePageHasNothingThatThePolicyForbids(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		".html": {`<style`, `\sstyle=`, `\son[a-z]+=`, `<script>`, `javascript:`, `https?://`},
		".js":   {`innerHTML`, `outerHTML`, `insertAdjacentHTML`, `document\.write`, `\beval\(`, `new Function`, `srcdoc`, `https?://`},
		".css":  {`@import`, `https?:`},
		".svg":  {`<script`, `\son[a-z]+=`, `https?:`},
	}
	files, err := filepath.Glob("page/*")
	must(t, err)
	if len(files) < 3 {
		t.Fatalf("the page is %v", files)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		text := strings.ReplaceAll(string(raw), "http://www.w3.org/2000/svg", "") // a name, never loaded
		patterns, known := forbidden[filepath.Ext(file)]
		if !known || len(text) < 100 {
			t.Errorf("%s: an empty file, or of an unknown kind", file)
		}
		for _, pattern := range patterns {
			if found := regexp.MustCompile(`(?i)` + pattern).FindString(text); found != "" {
				t.Errorf("%s has %q", file, found)
			}
		}
	}
}

func TestEverythingWorksUnderABasePath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, ops.Config{BasePath: "/internal/ops/", Token: token, Writable: true}, consuming())
		mux := http.NewServeMux() // somebody's own
		mux.Handle("/internal/ops/", d.s.Handler())
		for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/", "/app.js", "/app.css", "/api/overview"} {
			a := do(mux, http.MethodGet, "/internal/ops"+path, "", "Authorization", "Bearer "+token, "Host", "app.example")
			if a.code != 200 {
				t.Errorf("GET %s: %d %s", path, a.code, a.body)
			}
		}
		if a := do(mux, http.MethodPost, "/internal/ops/api/queues/work/pause", "", "Authorization", "Bearer "+token); a.code != 200 {
			t.Errorf("pause: %d %s", a.code, a.body)
		}
		if a := do(d.s.Handler(), http.MethodGet, "/internal/ops", ""); a.code != http.StatusPermanentRedirect || a.header.Get("Location") != "/internal/ops/" {
			t.Errorf("without the slash: %d %v", a.code, a.header)
		}
		if a := do(d.s.Handler(), http.MethodGet, "/livez", ""); a.code != 404 {
			t.Errorf("outside of the base path: %d", a.code)
		}
	})
}

func TestDisablePageLeavesProbesAndMetrics(t *testing.T) {
	t.Parallel()
	s, err := ops.NewServer(ops.Config{Addr: ":0", DisablePage: true})
	must(t, err)
	must(t, s.Connect(ops.Sources{}))
	for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/": 404, "/api/overview": 404, "/app.js": 404} {
		if a := do(s.Handler(), http.MethodGet, path, ""); a.code != want {
			t.Errorf("GET %s: %d, want %d", path, a.code, want)
		}
	}
	must(t, s.Stop(context.Background()))
}
