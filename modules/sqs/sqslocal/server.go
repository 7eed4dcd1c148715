package sqslocal

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Server is an SQS. All methods may be called concurrently.
type Server struct {
	cfg     Config
	start   time.Time
	journal *Journal

	mu      sync.RWMutex // taken after a queue's lock, never before it
	queues  map[string]*queue
	deleted map[string]time.Duration // when a queue of this name was deleted
	created map[string]int           // how many queues of this name there have been: each draws ids of its own

	requests struct {
		sync.Mutex
		random *rand.Rand
	}

	calls  map[string]*atomic.Int64 // by action; the map itself never changes
	faults faults
	tasks  moveTasks

	pollsEnded chan struct{} // closed by EndPolls
	endPolls   sync.Once

	closing   chan struct{} // closed by Close: ends every long poll
	closeOnce sync.Once
	closeErr  error
	alarms    sync.WaitGroup // timers of queues and move tasks that are set or ringing

	http *listener // nil for a Server without sockets
}

// New returns a Server without sockets. It is reached through Client and Transport, in the caller's goroutine, so that it
// runs inside a testing/synctest bubble on virtual time.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, start: time.Now(), queues: map[string]*queue{}, deleted: map[string]time.Duration{}, created: map[string]int{},
		pollsEnded: make(chan struct{}), closing: make(chan struct{}),
	}
	s.journal = &Journal{start: s.start, size: max(cfg.JournalSize, 0)}
	s.requests.random = s.newRandom("requests")
	s.faults.random, s.faults.struck = s.newRandom("faults"), map[string]int{}
	s.faults.set(cfg.Faults)
	s.calls = make(map[string]*atomic.Int64, len(actions))
	for name := range actions {
		s.calls[name] = new(atomic.Int64)
	}
	if err := s.restore(); err != nil {
		return nil, err
	}
	return s, nil
}

// Start returns a Server that listens on cfg.Addr. Close stops it.
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if s.http, err = listen(s, s.cfg.Addr); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the server's endpoint, as for AWS_ENDPOINT_URL_SQS.
func (s *Server) URL() string {
	if s.http == nil {
		return "http://sqs." + s.cfg.Region + ".localhost"
	}
	return "http://" + s.http.net.Addr().String()
}

// Close ends every long poll with an empty answer, lets answers that are under way out and stops the server. It is
// idempotent and returns once nothing of the server runs any more.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		if s.http != nil {
			s.closeErr = s.http.close()
		}
		for _, q := range s.allQueues() {
			q.mu.Lock()
			q.stopAlarm()
			q.mu.Unlock()
		}
		s.tasks.stop()
		s.alarms.Wait()
		s.closeErr = errors.Join(s.closeErr, s.Save())
	})
	return s.closeErr
}

// EndPolls answers every long poll at once, those that wait and those to come. A consumer that lets its poll in flight end
// before it stops then has nothing to wait for: call it right before the stop. It is idempotent.
func (s *Server) EndPolls() {
	s.endPolls.Do(func() { close(s.pollsEnded) })
}

func (s *Server) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// now is the time since the server started: monotonic, and virtual inside a synctest bubble.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// at turns a moment of the server into epoch milliseconds, as SQS's timestamps are.
func (s *Server) millis(at time.Duration) int64 { return s.start.Add(at).UnixMilli() }

// newRandom returns a source of its own for each purpose, so that what one queue draws does not depend on another's traffic.
func (s *Server) newRandom(purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(s.cfg.Seed, hash(purpose)))
}

func (s *Server) newRequestID() string {
	s.requests.Lock()
	defer s.requests.Unlock()
	return newUUID(s.requests.random).String()
}

func newUUID(r *rand.Rand) uuid {
	var u uuid
	binary.BigEndian.PutUint64(u[:8], r.Uint64())
	binary.BigEndian.PutUint64(u[8:], r.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}
