package sqslocal

import "time"

// alarm is the timer of a queue. It runs only while polls wait: everybody else brings the queue up to the present by asking.
type alarm struct {
	timer *time.Timer
	at    time.Duration
}

// setAlarm arms the alarm for the queue's next deadline. An alarm that rings too early does no harm: it is set again.
func (q *queue) setAlarm() {
	next, pending := q.deadlines.next()
	if !pending || q.deleted || q.server.closed() {
		return
	}
	if q.alarm != nil && q.alarm.at <= next.at {
		return
	}
	q.stopAlarm()
	a := &alarm{at: next.at}
	q.server.alarms.Add(1)
	q.alarm = a
	a.timer = time.AfterFunc(next.at-q.now, func() { q.ring(a) })
}

func (q *queue) ring(a *alarm) {
	defer q.server.alarms.Done()
	q.lock()
	if q.alarm == a {
		q.alarm = nil
	}
	q.unlock()
}

// stopAlarm stops a pending alarm. One that is ringing already ends by itself; the server's Close waits for it.
func (q *queue) stopAlarm() {
	if q.alarm != nil && q.alarm.timer.Stop() {
		q.server.alarms.Done()
	}
	q.alarm = nil
}
