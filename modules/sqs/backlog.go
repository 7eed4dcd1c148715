package sqs

// backlog holds received messages that no listener has started yet. On a FIFO queue a group shows
// only its first message, and the next one when that is done. It needs the intake's mu.
type backlog struct {
	ready  []*message
	groups map[string][]*message // groups that have shown a message, with what waits behind it

	blocked int // messages that wait behind another of their group
}

// push adds one receive, in the order that SQS gave it.
func (b *backlog) push(m *message) {
	if m.group == "" {
		b.ready = append(b.ready, m)
		return
	}
	if b.groups == nil {
		b.groups = map[string][]*message{}
	}
	rest, busy := b.groups[m.group]
	if busy {
		b.groups[m.group] = append(rest, m)
		b.blocked++
		return
	}
	b.groups[m.group] = nil
	b.ready = append(b.ready, m)
}

// pop takes the next message that may start, or nil.
func (b *backlog) pop() *message {
	if len(b.ready) == 0 {
		return nil
	}
	m := b.ready[0]
	b.ready[0] = nil
	b.ready = b.ready[1:]
	return m
}

// done lets the next message of a group come forward. After a failure it answers the rest of the
// group instead: none of them may overtake the failed one.
func (b *backlog) done(m *message, failed bool) (released []*message) {
	if m.group == "" {
		return nil
	}
	rest := b.groups[m.group]
	switch {
	case failed || len(rest) == 0:
		delete(b.groups, m.group)
		b.blocked -= len(rest)
		return rest
	default:
		b.groups[m.group] = rest[1:]
		b.blocked--
		b.ready = append(b.ready, rest[0])
		return nil
	}
}

// drain takes everything that has not started.
func (b *backlog) drain() []*message {
	all := b.ready
	for _, rest := range b.groups {
		all = append(all, rest...)
	}
	*b = backlog{}
	return all
}

// waiting counts the messages that could start now, given a slot.
func (b *backlog) waiting() int { return len(b.ready) }
