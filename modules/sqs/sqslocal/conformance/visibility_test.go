package conformance

import (
	"fmt"
)

var visibilityCases = []conformanceCase{
	{"a received message is hidden", "dg:sqs-visibility-timeout", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		p.one(url)
		p.check(len(p.receive(url)) == 0, "received twice")
	}},
	{"it comes back with a new handle and a higher count", "dg:sqs-visibility-timeout", func(p *probe) {
		url := p.queue(attrs{"VisibilityTimeout": "1"})
		p.send(url, "x")
		first := p.one(url)
		second := p.one(url)
		p.check(*first.MessageId == *second.MessageId, "another id")
		p.check(*first.ReceiptHandle != *second.ReceiptHandle, "the same handle")
		p.check(second.Attributes["ApproximateReceiveCount"] == "2", "count %s", second.Attributes["ApproximateReceiveCount"])
		p.check(first.Attributes["ApproximateFirstReceiveTimestamp"] == second.Attributes["ApproximateFirstReceiveTimestamp"], "first receive moved")
		p.check(first.Attributes["SentTimestamp"] == second.Attributes["SentTimestamp"], "sent moved")
	}},
	{"a receive's own timeout wins", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		p.one(url, hidden(1))
		p.one(url)
	}},
	{"releasing at once", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		p.hide(url, p.one(url), 0)
		p.check(len(p.receive(url)) == 1, "still hidden")
	}},
	{"extending counts from the call", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(attrs{"VisibilityTimeout": "2"})
		p.send(url, "x")
		p.hide(url, p.one(url), 5)
		p.check(len(p.receive(url, wait(3))) == 0, "back after the old timeout")
		p.one(url)
	}},
	{"an extension holds for one receive only", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(attrs{"VisibilityTimeout": "1"})
		p.send(url, "x")
		m := p.one(url)
		p.hide(url, m, 30)
		p.hide(url, m, 0)
		p.one(url)
		p.one(url)
	}},
	{"timeouts out of range", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url)
		p.code(p.hideError(url, *m.ReceiptHandle, 43201), invalidValue, 400)
		p.code(p.hideError(url, *m.ReceiptHandle, -1), invalidValue, 400)
		p.hide(url, m, 43140) // twelve hours count from the receive, which may be a moment ago
	}},
	{"a missing timeout", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		a := p.json("ChangeMessageVisibility", fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":%q}`, url, *p.one(url).ReceiptHandle))
		p.check(a.status == 400, "status %d %s", a.status, a.body)
	}},
	{"an invented handle", "api:ChangeMessageVisibility", func(p *probe) {
		p.code(p.hideError(p.queue(nil), "garbage", 10), invalidHandle, 404)
	}},
	{"a deleted message cannot be changed", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url)
		p.remove(url, m)
		p.code(p.hideError(url, *m.ReceiptHandle, 10), invalidValue, 400)
	}},
	{"a handle that another receive outdated cannot change", "api:ChangeMessageVisibility", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		first := p.one(url)
		p.hide(url, first, 0)
		p.one(url)
		err := p.hideError(url, *first.ReceiptHandle, 0)
		p.check(err != nil, "accepted")
		p.check(len(p.receive(url)) == 0, "released by an old handle")
	}},
}

var deleteCases = []conformanceCase{
	{"a deleted message is gone", "api:DeleteMessage", func(p *probe) {
		url := p.queue(attrs{"VisibilityTimeout": "1"})
		p.send(url, "x")
		p.remove(url, p.one(url))
		p.check(len(p.receive(url, wait(2))) == 0, "it came back")
	}},
	{"deleting twice succeeds", "api:DeleteMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url)
		p.remove(url, m)
		p.remove(url, m)
	}},
	{"deleting with an invented handle", "api:DeleteMessage", func(p *probe) {
		p.code(p.removeError(p.queue(nil), "garbage"), invalidHandle, 404)
	}},
	{"deleting with an outdated handle succeeds", "api:DeleteMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		first := p.one(url)
		p.hide(url, first, 0)
		p.one(url)
		p.remove(url, first)
	}},
	{"deleting after visibility ended", "dg:sqs-visibility-timeout", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x")
		m := p.one(url)
		p.hide(url, m, 0)
		p.remove(url, m)
		p.check(len(p.receive(url)) == 0, "not deleted")
	}},
	{"deleting after visibility ended on fifo", "dg:sqs-visibility-timeout", func(p *probe) {
		url := p.fifo(attrs{"VisibilityTimeout": "1"})
		p.send(url, "x", group("g"))
		m := p.one(url)
		again := p.one(url, hidden(30))
		p.hide(url, again, 0)
		p.code(p.removeError(url, *again.ReceiptHandle), invalidValue, 400)
		_ = p.removeError(url, *m.ReceiptHandle)
		p.check(len(p.receive(url)) == 1, "deleted by a dead handle")
	}},
	{"a handle of another queue", "api:DeleteMessage", func(p *probe) {
		one, two := p.queue(nil), p.queue(nil)
		p.send(one, "x")
		m := p.one(one)
		p.check(p.removeError(two, *m.ReceiptHandle) != nil, "accepted")
	}},
	{"a missing handle", "api:DeleteMessage", func(p *probe) {
		a := p.json("DeleteMessage", fmt.Sprintf(`{"QueueUrl":%q}`, p.queue(nil)))
		p.check(a.status == 400, "status %d %s", a.status, a.body)
	}},
}
