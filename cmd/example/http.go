package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
)

// server is the HTTP side of the service.
type server struct {
	http *http.Server
	addr string // where it listens, once started
}

// newUsersHandler publishes an event for each POST /users. 202 means that SQS has stored it.
func newUsersHandler(publisher events.Publisher) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var u User
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&u); err != nil {
			http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
			return
		}
		if u.Email == "" {
			http.Error(w, "email: missing", http.StatusUnprocessableEntity)
			return
		}
		e := UserCreated.New(u)
		if err := publisher.Publish(r.Context(), e); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "{\"id\":%q}\n", e.ID)
	})
	return mux
}

func newServer(lc fx.Lifecycle, f flags, users http.Handler) *server {
	s := &server{http: &http.Server{Handler: users, ReadHeaderTimeout: 5 * time.Second}}
	served := make(chan error, 1)
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			var listen net.ListenConfig
			l, err := listen.Listen(ctx, "tcp", f.addr)
			if err != nil {
				return fmt.Errorf("-addr %s: %w", f.addr, err)
			}
			s.addr = l.Addr().String()
			go func() { served <- s.http.Serve(l) }()
			return nil
		},
		OnStop: func(ctx context.Context) error {
			err := s.http.Shutdown(ctx)
			if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
				err = errors.Join(err, ended)
			}
			return err
		},
	})
	return s
}
