package sqs

import "sync"

// maxProcessed bounds the memory of handled messages whose delete SQS has not confirmed: about 2 MiB.
const maxProcessed = 10_000

// processed remembers messages that were handled but are not deleted yet. When SQS delivers such a
// message again, it is deleted under its new handle and does not run a second time.
type processed struct {
	mu      sync.Mutex
	handles map[string]string // message id -> newest receipt handle
	renewed bool              // some of them are not the handles that the messages came with
}

func newProcessed() *processed { return &processed{handles: map[string]string{}} }

func (p *processed) add(id, handle string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.handles) >= maxProcessed {
		for oldest := range p.handles { // any: the map is full of failed deletes, a rare state
			delete(p.handles, oldest)
			break
		}
	}
	p.handles[id] = handle
}

// redelivered says whether the message was handled before, and takes note of its new handle.
func (p *processed) redelivered(id, handle string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.handles[id]; !ok {
		return false
	}
	p.handles[id] = handle
	p.renewed = true
	return true
}

// newest returns the newest receipt handles of messages; deletes with an older one may have no effect.
func (p *processed) newest(batch []*message) []string {
	handles := make([]string, len(batch))
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range batch {
		handles[i] = m.lease.handle
		if !p.renewed {
			continue
		}
		if newer, ok := p.handles[m.id]; ok {
			handles[i] = newer
		}
	}
	return handles
}

func (p *processed) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.handles, id)
	p.renewed = p.renewed && len(p.handles) > 0
}
