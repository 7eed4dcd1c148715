package sqslocal

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

// moveTask moves the messages of a dead-letter queue to where they came from, or to a queue of the caller's choice.
type moveTask struct {
	server      *Server
	handle      string
	source      *queue
	destination *queue // nil: each message goes back to its own source
	rate        int    // messages per second; 0: as fast as it goes
	started     time.Duration
	toMove      int

	mu     sync.Mutex // taken before a queue's lock
	moved  int
	status taskStatus
	reason string
	timer  *time.Timer
}

type taskStatus string

const (
	taskRunning   taskStatus = "RUNNING"
	taskCompleted taskStatus = "COMPLETED"
	taskCancelled taskStatus = "CANCELLED"
	taskFailed    taskStatus = "FAILED"
)

const (
	maxMoveRate  = 500 // messages per second that a caller may ask for (api:StartMessageMoveTask)
	moveInterval = 20 * time.Millisecond
	moveBatch    = 1000 // per interval, for a task without a rate
	keptTasks    = 10   // per queue that ListMessageMoveTasks can tell of
)

// moveTasks are the tasks of a server by the ARN of their source, newest first.
type moveTasks struct {
	mu       sync.Mutex
	bySource map[string][]*moveTask
}

func (t *moveTasks) of(sourceARN string) []*moveTask {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.bySource[sourceARN])
}

// find returns the task with this handle, nil if there is none.
func (t *moveTasks) find(handle string) *moveTask {
	raw, _ := base64.StdEncoding.DecodeString(handle)
	_, arn, _ := strings.Cut(string(raw), " ")
	for _, one := range t.of(arn) {
		if one.handle == handle {
			return one
		}
	}
	return nil
}

// add lists a new task and sets it going, unless one is running for the same source.
func (t *moveTasks) add(task *moveTask) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if task.server.closed() {
		return errUnsupported("The server is closing.")
	}
	if t.bySource == nil {
		t.bySource = map[string][]*moveTask{}
	}
	arn := task.source.arn
	for _, other := range t.bySource[arn] {
		if other.running() {
			return errInvalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
	}
	all := append([]*moveTask{task}, t.bySource[arn]...)
	t.bySource[arn] = all[:min(len(all), keptTasks)]
	task.start()
	return nil
}

// stop ends all tasks for the server's Close.
func (t *moveTasks) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, all := range t.bySource {
		for _, task := range all {
			task.end(taskCancelled, "")
		}
	}
}

func (t *moveTask) running() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status == taskRunning
}

// start sets the task going. Its work is done by a timer, in small steps.
func (t *moveTask) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.server.alarms.Add(1)
	t.timer = time.AfterFunc(0, t.step)
}

// end ends a running task and reports whether it was running.
func (t *moveTask) end(status taskStatus, reason string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status != taskRunning {
		return false
	}
	t.finish(status, reason)
	if t.timer.Stop() {
		t.server.alarms.Done()
	}
	return true
}

func (t *moveTask) finish(status taskStatus, reason string) { t.status, t.reason = status, reason }

// step moves what is due by now.
func (t *moveTask) step() {
	defer t.server.alarms.Done()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status != taskRunning {
		return
	}
	due := moveBatch
	if t.rate > 0 {
		elapsed := t.server.now() - t.started
		due = 1 + int(int64(elapsed)*int64(t.rate)/int64(time.Second)) - t.moved
	}
	for range min(due, t.toMove-t.moved) {
		m := t.source.pop()
		if m == nil {
			t.finish(taskCompleted, "")
			return
		}
		if reason := t.deliver(m); reason != "" {
			t.source.accept(m)
			t.finish(taskFailed, reason)
			return
		}
		t.moved++
	}
	if t.moved >= t.toMove {
		t.finish(taskCompleted, "")
		return
	}
	t.server.alarms.Add(1)
	t.timer.Reset(moveInterval)
}

// deliver sends m on as a new message, or returns why it cannot.
func (t *moveTask) deliver(m *message) (failure string) {
	target := t.destination
	if target == nil {
		if m.source == "" {
			return "CouldNotDetermineMessageSource"
		}
		if target = t.server.queueByARN(m.source); target == nil {
			return legacyPrefix + "NonExistentQueue"
		}
	}
	if !target.adopt(m) {
		return legacyPrefix + "NonExistentQueue"
	}
	t.source.lock()
	t.source.record(Moved, m, t.source.now)
	t.source.unlock()
	return ""
}

// pop takes the next visible message out of the queue, nil if there is none.
func (q *queue) pop() *message {
	q.lock()
	defer q.unlock()
	g := q.ready.first()
	if g == nil {
		return nil
	}
	m := g.head
	q.drop(m)
	return m
}

// adopt takes in a moved message as a new one: new id, new time, nothing received yet (api:StartMessageMoveTask).
func (q *queue) adopt(m *message) bool {
	q.lock()
	defer q.unlock()
	if q.deleted {
		return false
	}
	fresh := &message{
		id: q.newID(), body: m.body, bodyMD5: m.bodyMD5, attributes: m.attributes, trace: m.trace, sender: m.sender,
		dedupID: m.dedupID, sent: q.now,
	}
	if q.fifo {
		q.lastNumber++
		fresh.number = q.lastNumber
	}
	q.add(fresh, m.group.id, 0)
	q.record(Sent, fresh, q.now)
	return true
}
