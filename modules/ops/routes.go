package ops

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// routes is everything that is served.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	base := s.cfg.BasePath
	mux.HandleFunc("GET "+base+"/livez", s.serveProbe(Liveness))
	mux.HandleFunc("GET "+base+"/readyz", s.serveProbe(Readiness))
	mux.HandleFunc("GET "+base+"/healthz", s.serveProbe(Liveness, Readiness))
	mux.Handle("GET "+base+"/metrics", s.serveMetrics())
	if s.cfg.DisablePage {
		return mux
	}

	page := http.NewServeMux()
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		files = nil // a test sees to it that they are there
	}
	for _, file := range files {
		where := file.Name()
		if where == "index.html" {
			where = "{$}"
		}
		page.Handle("GET "+base+"/"+where, servePage(file.Name()))
	}
	api := func(pattern string, h http.HandlerFunc) {
		method, where, _ := strings.Cut(pattern, " ")
		page.Handle(method+" "+base+"/api/"+where, s.authorized(h))
	}
	api("GET overview", s.serveOverview)
	api("GET stream", s.serveStream)
	api("GET history", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.history.view()) })
	api("GET failures", s.serveFailures)
	api("GET contract", s.serveContract)
	api("GET doctor", s.serveDoctor)
	api("GET parked", s.serveParked)
	api("POST queues/{queue}/peek", s.peek)
	api("POST queues/{queue}/pause", s.writing(s.setPaused(true)))
	api("POST queues/{queue}/resume", s.writing(s.setPaused(false)))
	api("POST queues/{queue}/redrive", s.writing(s.redrive))
	api("POST queues/{queue}/purge", s.writing(s.purge))
	api("POST pause", s.writing(s.setPaused(true)))
	api("POST resume", s.writing(s.setPaused(false)))
	api("POST parked/requeue", s.writing(s.requeue))

	guarded := s.guard(page)
	mux.Handle(base+"/", guarded)
	if base != "" {
		mux.Handle("GET "+base, http.RedirectHandler(base+"/", http.StatusPermanentRedirect))
	}
	return mux
}

// servePage serves one file of the page. Everything in it is relative, so that any base path works.
func servePage(file string) http.Handler {
	content, err := fs.ReadFile(pageFiles, "page/"+file)
	if err != nil {
		return http.NotFoundHandler() // as above
	}
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	kind := mime.TypeByExtension(path.Ext(file))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Etag", tag)
		http.ServeContent(w, r, file, time.Time{}, strings.NewReader(string(content)))
	})
}

// answer sends a value as JSON.
func answer(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	send(w, http.StatusOK, text)
}

// refuse sends a reason as JSON.
func refuse(w http.ResponseWriter, code int, reason string) {
	text, err := json.Marshal(map[string]string{"error": reason})
	if err != nil {
		text = []byte(`{"error":"the reason cannot be told"}`)
	}
	send(w, code, text)
}

func send(w http.ResponseWriter, code int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(text) // who does not listen cannot be told
}
