package sqslocal

import (
	"bufio"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// snapshotVersion changes when an older server could not read the file.
const snapshotVersion = 1

// snapshotQueue is a line of the file: a queue, followed by its messages, one line each.
type snapshotQueue struct {
	Version    int               `json:"version"`
	Name       string            `json:"name"`
	FIFO       bool              `json:"fifo,omitempty"`
	Tag        uint64            `json:"tag"`
	Attributes map[string]string `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`
	LastSeq    uint64            `json:"lastSeq"`
	LastNumber uint64            `json:"lastNumber,omitempty"`
	Dedup      []snapshotSend    `json:"dedup,omitempty"`
	Messages   int               `json:"messages"`
}

type snapshotSend struct {
	Group   string    `json:"group,omitempty"`
	DedupID string    `json:"dedupId"`
	Until   time.Time `json:"until"`
	ID      uuid      `json:"id"`
	Number  uint64    `json:"number"`
}

type snapshotMessage struct {
	ID            uuid                `json:"id"`
	Seq           uint64              `json:"seq"`
	Number        uint64              `json:"number,omitempty"`
	Body          string              `json:"body"`
	Attributes    []snapshotAttribute `json:"attributes,omitempty"`
	Trace         string              `json:"trace,omitempty"`
	Sender        string              `json:"sender,omitempty"`
	Group         string              `json:"group,omitempty"`
	DedupID       string              `json:"dedupId,omitempty"`
	Source        string              `json:"source,omitempty"`
	Sent          time.Time           `json:"sent"`
	FirstReceived time.Time           `json:"firstReceived"`
	Leased        time.Time           `json:"leased"`
	VisibleAt     time.Time           `json:"visibleAt"`
	State         state               `json:"state,omitempty"`
	Receives      int                 `json:"receives,omitempty"`
	Receipt       uint32              `json:"receipt,omitempty"`
}

type snapshotAttribute struct {
	Name     string `json:"name"`
	DataType string `json:"dataType"`
	Text     string `json:"text,omitempty"`
	Binary   []byte `json:"binary,omitempty"`
}

// Save writes the snapshot file of Config.Snapshot, replacing it whole, so that a crash in between leaves the earlier one. It
// does nothing without that setting. Receipt handles stay good over a restart.
func (s *Server) Save() error {
	if s.cfg.Snapshot == "" {
		return nil
	}
	file, err := os.CreateTemp(filepath.Dir(s.cfg.Snapshot), filepath.Base(s.cfg.Snapshot)+".*")
	if err != nil {
		return fmt.Errorf("sqslocal: saving snapshot: %w", err)
	}
	w := bufio.NewWriter(file)
	enc := json.NewEncoder(w)
	for _, q := range s.allQueues() {
		if err == nil {
			err = q.save(enc)
		}
	}
	err = errors.Join(err, w.Flush(), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.cfg.Snapshot)
	}
	if err != nil {
		return fmt.Errorf("sqslocal: saving snapshot: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

func (q *queue) save(enc *json.Encoder) error {
	q.lock()
	defer q.unlock()
	at := q.server.start.Add
	head := snapshotQueue{
		Version: snapshotVersion, Name: q.name, FIFO: q.fifo, Tag: q.tag, Attributes: q.settings.given, Tags: q.tags,
		Created: at(q.created), Modified: at(q.modified), LastSeq: q.lastSeq, LastNumber: q.lastNumber, Messages: len(q.messages),
	}
	for _, e := range q.dedup.order {
		send := q.dedup.sends[e.key]
		head.Dedup = append(head.Dedup, snapshotSend{
			Group: e.key.group, DedupID: e.key.id, Until: at(e.until), ID: send.id, Number: send.number,
		})
	}
	if err := enc.Encode(head); err != nil {
		return err
	}
	for _, m := range q.inOrder() {
		line := snapshotMessage{
			ID: m.id, Seq: m.seq, Number: m.number, Body: m.body, Trace: m.trace, Sender: m.sender, Group: m.group.id,
			DedupID: m.dedupID, Source: m.source, Sent: at(m.sent), FirstReceived: at(m.firstReceived), Leased: at(m.leased),
			VisibleAt: at(m.visibleAt), State: m.state, Receives: m.receives, Receipt: m.receipt,
		}
		for _, a := range m.attributes {
			line.Attributes = append(line.Attributes, snapshotAttribute{a.name, a.dataType, a.text, a.binary})
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// restore reads the snapshot file, if there is one. What time has done to the messages since happens on first use.
func (s *Server) restore() error {
	if s.cfg.Snapshot == "" {
		return nil
	}
	file, err := os.Open(s.cfg.Snapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqslocal: restoring snapshot: %w", err)
	}
	dec := json.NewDecoder(bufio.NewReader(file))
	for err == nil && dec.More() {
		err = s.restoreQueue(dec)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("sqslocal: restoring snapshot %s: %w", s.cfg.Snapshot, err)
	}
	return nil
}

func (s *Server) restoreQueue(dec *json.Decoder) error {
	var head snapshotQueue
	if err := dec.Decode(&head); err != nil {
		return err
	}
	if head.Version != snapshotVersion {
		return fmt.Errorf("version %d is not %d: delete the file or use the server that wrote it", head.Version, snapshotVersion)
	}
	defaults := defaultSettings(head.FIFO)
	set, err := defaults.with(head.FIFO, head.Attributes)
	if err != nil {
		return fmt.Errorf("queue %q: %w", head.Name, err)
	}
	since := func(t time.Time) time.Duration { return t.Sub(s.start) }
	q := s.newQueue(head.Name, head.FIFO, set, head.Tags, since(head.Created))
	q.random = s.newRandom(fmt.Sprintf("queue %s after %d", head.Name, head.LastSeq)) // a fixed seed must not repeat ids
	q.tag, q.modified, q.lastNumber = head.Tag, since(head.Modified), head.LastNumber
	for _, e := range head.Dedup {
		key := dedupKey{e.Group, e.DedupID}
		q.dedup.remember(key, sent{id: e.ID, number: e.Number}, since(e.Until)-dedupWindow)
	}
	for range head.Messages {
		var line snapshotMessage
		if err := dec.Decode(&line); err != nil {
			return err
		}
		q.restoreMessage(line, since)
	}
	q.lastSeq = head.LastSeq
	s.queues[q.name] = q
	return nil
}

func (q *queue) restoreMessage(line snapshotMessage, since func(time.Time) time.Duration) {
	m := &message{
		id: line.ID, seq: line.Seq, number: line.Number, body: line.Body, bodyMD5: md5.Sum([]byte(line.Body)), trace: line.Trace,
		sender: line.Sender, dedupID: line.DedupID, source: line.Source, sent: since(line.Sent),
		firstReceived: since(line.FirstReceived), leased: since(line.Leased), receives: line.Receives, receipt: line.Receipt,
	}
	for _, a := range line.Attributes {
		m.attributes = append(m.attributes, attribute{a.Name, a.DataType, a.Text, a.Binary})
	}
	q.place(m, line.Group)
	if line.State == visible {
		q.enlist(m)
		return
	}
	q.hide(m, line.State, since(line.VisibleAt))
}
