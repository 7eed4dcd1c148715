package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/jobs"
	"github.com/fxpond/fxpond/modules/repository"
)

// User is a row of the table users, and the payload of UserCreated.
type User struct {
	ID    uint   `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Profile is what other users see of one.
type Profile struct {
	EventID string `gorm:"primaryKey;size:64"` // of the event that it was made for
	Name    string
}

// UserCreated binds the event's name to its payload, once.
var UserCreated = events.NewTopic[User]("user.created")

// SendEmailConfirmation mails each new user.
type SendEmailConfirmation struct{ mailer *mailer }

// NewSendEmailConfirmation makes the listener.
func NewSendEmailConfirmation(m *mailer) events.Listener {
	return UserCreated.Listener("send-email-confirmation", (&SendEmailConfirmation{m}).Handle)
}

// Handle runs on the pool. Its error decides what becomes of the message: a plain one means another
// try, Permanent means the dead-letter queue.
func (l *SendEmailConfirmation) Handle(ctx context.Context, e events.Event[User]) error {
	err := l.mailer.confirm(ctx, e.ID, e.Data)
	if errors.Is(err, errBadAddress) {
		return events.Permanent(err)
	}
	return err
}

// CreateProfile keeps a profile for each user, and has them welcomed.
type CreateProfile struct {
	profiles *repository.Repository[Profile, string]
	jobs     *jobs.Dispatcher
	tally    *tally
}

// NewCreateProfile makes the listener.
func NewCreateProfile(profiles *repository.Repository[Profile, string], d *jobs.Dispatcher, t *tally) events.Listener {
	return UserCreated.Listener("create-profile", (&CreateProfile{profiles, d, t}).Handle)
}

// Handle is idempotent, since SQS may deliver an event twice: the same event makes the same row.
func (l *CreateProfile) Handle(ctx context.Context, e events.Event[User]) error {
	if err := l.profiles.Upsert(ctx, []*Profile{{EventID: e.ID, Name: e.Data.Name}}, repository.Conflict{}); err != nil {
		return err
	}
	if err := l.jobs.Dispatch(ctx, SendWelcome.New(Welcome{Name: e.Data.Name})); err != nil {
		return err
	}
	l.tally.queued()
	return nil
}

// Welcome is what the job SendWelcome needs to know.
type Welcome struct {
	Name string `json:"name"`
}

// SendWelcome is a job: a unit of work with one handler, and attempts of its own. It travels through the
// same queue as events do.
var SendWelcome = jobs.New[Welcome]("send-welcome", jobs.MaxAttempts(5))

// NewSendWelcome makes the job's handler.
func NewSendWelcome(m *mailer) jobs.Handler {
	return SendWelcome.Handler(func(ctx context.Context, _ Welcome) error { return m.send(ctx) })
}

// NewAuditLog makes a listener for whatever happens, whatever its payload.
func NewAuditLog() events.Listener {
	return events.On("**", "audit-log", func(context.Context, events.Any) error { return nil })
}

// mailer stands for a mail service: a few milliseconds away, and not always well.
type mailer struct {
	mu   sync.Mutex
	seen map[string]bool
}

var errBadAddress = errors.New("the address cannot receive mail")

func newMailer() *mailer { return &mailer{seen: map[string]bool{}} }

// send takes as long as a mail service takes to answer.
func (m *mailer) send(ctx context.Context) error {
	timer := time.NewTimer(2 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// confirm fails the first try for one mail in fifty, and every try for addresses that end in ".invalid".
func (m *mailer) confirm(ctx context.Context, id string, u User) error {
	if strings.HasSuffix(u.Email, ".invalid") {
		return fmt.Errorf("mailing %s: %w", u.Email, errBadAddress)
	}
	if err := m.send(ctx); err != nil {
		return err
	}
	h := fnv.New32a()
	h.Write([]byte(u.Email))
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.Sum32()%50 == 0 && !m.seen[id] {
		m.seen[id] = true
		return fmt.Errorf("mailing %s: connection reset", u.Email)
	}
	return nil
}
