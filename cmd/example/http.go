package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/repository"
)

// server is the HTTP side of the service.
type server struct {
	http *http.Server
	addr string // where it listens, once started
}

// usersHandler creates and shows users.
type usersHandler struct {
	db     *repository.DB
	users  *repository.Repository[User, uint]
	outbox *repository.Outbox
}

func newUsersHandler(db *repository.DB, users *repository.Repository[User, uint], outbox *repository.Outbox) http.Handler {
	h := &usersHandler{db, users, outbox}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /users", h.create)
	mux.HandleFunc("GET /users/{id}", h.show)
	return mux
}

// create answers 201 once the user is in the database, and with it the event in the outbox: it reaches
// SQS if the user was committed, and not otherwise, whatever crashes in between.
func (h *usersHandler) create(w http.ResponseWriter, r *http.Request) {
	var u User
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&u); err != nil {
		http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
		return
	}
	if u.Email == "" {
		http.Error(w, "email: missing", http.StatusUnprocessableEntity)
		return
	}
	u.ID = 0 // the database's to choose
	err := h.db.Transaction(r.Context(), func(ctx context.Context) error {
		if err := h.users.Create(ctx, &u); err != nil {
			return err
		}
		return h.outbox.Add(ctx, UserCreated.New(u))
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, http.StatusCreated, u)
}

// show shares its query with whoever asks for another user at the same time.
func (h *usersHandler) show(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
	if err != nil {
		http.Error(w, "id: "+err.Error(), http.StatusBadRequest)
		return
	}
	switch found := <-h.users.FindAsync(r.Context(), uint(id)); {
	case errors.Is(found.Error, repository.ErrNotFound):
		http.Error(w, found.Error.Error(), http.StatusNotFound)
	case found.Error != nil:
		http.Error(w, found.Error.Error(), http.StatusServiceUnavailable)
	default:
		answer(w, http.StatusOK, found.Data)
	}
}

func answer(w http.ResponseWriter, status int, u User) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(u) // a caller that has left needs no answer
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
