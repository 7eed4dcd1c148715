package sqslocal

import "time"

// dedupWindow is how long a FIFO queue remembers a deduplication id, counted from the first send
// (dg:FIFO-queues-exactly-once-processing).
const dedupWindow = 5 * time.Minute

// dedup remembers the recent sends of a FIFO queue, deleted messages included. All entries live equally long, so that the
// oldest are always the first to go.
type dedup struct {
	sends map[dedupKey]sent
	order []dedupEntry
}

type dedupKey struct {
	group string // empty while the scope is the queue
	id    string
}

type dedupEntry struct {
	key   dedupKey
	until time.Duration
}

// find returns the earlier send that makes a send with this key a duplicate.
func (d *dedup) find(key dedupKey, now time.Duration) (sent, bool) {
	forgotten := 0
	for forgotten < len(d.order) && d.order[forgotten].until <= now {
		delete(d.sends, d.order[forgotten].key)
		forgotten++
	}
	d.order = d.order[forgotten:]
	earlier, found := d.sends[key]
	return earlier, found
}

func (d *dedup) remember(key dedupKey, s sent, now time.Duration) {
	if d.sends == nil {
		d.sends = map[dedupKey]sent{}
	}
	d.sends[key] = s
	d.order = append(d.order, dedupEntry{key, now + dedupWindow})
}
