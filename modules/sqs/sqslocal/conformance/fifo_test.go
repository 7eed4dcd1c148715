package conformance

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func bodies(all []types.Message) string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = *m.Body
	}
	return strings.Join(out, " ")
}

var fifoCases = []conformanceCase{
	{"a group id is needed", "api:SendMessage", func(p *probe) {
		p.code(p.sendError(p.fifo(nil), "x"), missing, 400)
	}},
	{"a deduplication id is needed without content-based deduplication", "api:SendMessage", func(p *probe) {
		url := p.fifo(attrs{"ContentBasedDeduplication": "false"})
		p.code(p.sendError(url, "x", group("g")), invalidValue, 400)
		p.send(url, "x", group("g"), dedupID("d"))
	}},
	{"ids are checked", "api:SendMessage", func(p *probe) {
		url := p.fifo(nil)
		for _, id := range []string{strings.Repeat("x", 129), "a b", "ü"} {
			p.code(p.sendError(url, "x", group(id)), invalidValue, 400)
			p.code(p.sendError(url, "x", group("g"), dedupID(id)), invalidValue, 400)
		}
		p.send(url, "x", group(strings.Repeat("x", 128)), dedupID(`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`+"`"))
	}},
	{"no delay of its own for a message", "api:SendMessage", func(p *probe) {
		p.code(p.sendError(p.fifo(nil), "x", group("g"), delay(1)), invalidValue, 400)
	}},
	{"one receive holds many of one group in order", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(nil)
		for i := range 5 {
			p.send(url, fmt.Sprint(i), group("g"))
		}
		got := bodies(p.receive(url, wait(5)))
		p.check(got == "0 1 2 3 4", "got %q", got)
	}},
	{"a group in flight is locked, others flow", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "a1", group("a"))
		p.send(url, "a2", group("a"))
		p.send(url, "b1", group("b"))
		p.check(*p.one(url, most(1)).Body == "a1", "not the first")
		p.check(*p.one(url, most(1)).Body == "b1", "the other group does not flow")
		p.check(len(p.receive(url)) == 0, "the group is not locked")
	}},
	{"deleting unlocks the group", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "1", group("g"))
		p.send(url, "2", group("g"))
		p.remove(url, p.one(url, most(1)))
		p.check(*p.one(url).Body == "2", "not unlocked")
	}},
	{"redelivery keeps the order", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(nil)
		for i := range 4 {
			p.send(url, fmt.Sprint(i), group("g"))
		}
		got := p.receive(url, wait(5), most(3))
		p.check(bodies(got) == "0 1 2", "got %q", bodies(got))
		for _, i := range []int{2, 0, 1} {
			p.hide(url, got[i], 0)
		}
		again := bodies(p.receive(url, wait(5)))
		p.check(again == "0 1 2 3", "got %q", again)
	}},
	{"an expired group comes back in order", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		url := p.fifo(attrs{"VisibilityTimeout": "1"})
		for i := range 3 {
			p.send(url, fmt.Sprint(i), group("g"))
		}
		p.receive(url, wait(5))
		again := bodies(p.receive(url, wait(5)))
		p.check(again == "0 1 2", "got %q", again)
	}},
	{"sequence numbers grow", "api:SendMessage", func(p *probe) {
		url := p.fifo(nil)
		last := ""
		for i := range 4 {
			out := p.send(url, fmt.Sprint(i), group(fmt.Sprint("g", i%2)))
			number := aws.ToString(out.SequenceNumber)
			p.check(len(number) == 20 && number > last, "%q after %q", number, last)
			last = number
		}
		m := p.one(url, most(1))
		p.check(len(m.Attributes["SequenceNumber"]) == 20, "not received: %v", m.Attributes)
	}},
	{"the same content is sent once", "dg:FIFO-queues-exactly-once-processing", func(p *probe) {
		url := p.fifo(nil)
		first := p.send(url, "x", group("a"))
		second := p.send(url, "x", group("b"), with("differs", text("v")))
		p.check(*first.MessageId == *second.MessageId && *first.SequenceNumber == *second.SequenceNumber, "another message")
		p.check(len(p.receive(url, wait(1))) == 1, "received twice")
	}},
	{"the same deduplication id is sent once, other content or not", "dg:FIFO-queues-exactly-once-processing", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "x", group("g"), dedupID("d"))
		p.send(url, "x", group("g"), dedupID("e"))
		p.send(url, "x", group("g"), dedupID("d"))
		got := p.receive(url, wait(1))
		p.check(len(got) == 2, "received %d", len(got))
		p.check(got[0].Attributes["MessageDeduplicationId"] == "d", "attributes %v", got[0].Attributes)
	}},
	{"deduplication outlives the message", "dg:FIFO-queues-exactly-once-processing", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "x", group("g"))
		p.remove(url, p.one(url))
		p.send(url, "x", group("g"))
		p.check(len(p.receive(url, wait(1))) == 0, "sent again")
	}},
	{"deduplication by group", "dg:high-throughput-fifo", func(p *probe) {
		url := p.fifo(attrs{"DeduplicationScope": "messageGroup"})
		p.send(url, "x", group("a"))
		p.send(url, "x", group("b"))
		p.send(url, "x", group("a"))
		p.check(len(p.receive(url, wait(1))) == 2, "not by group")
	}},
	{"the same attempt gets the same messages", "dg:using-receiverequestattemptid-request-parameter", func(p *probe) {
		url := p.fifo(nil)
		p.send(url, "1", group("g"))
		p.send(url, "2", group("g"))
		first := p.receive(url, attempt("a1"))
		second := p.receive(url, attempt("a1"))
		p.check(bodies(first) == "1 2" && bodies(second) == "1 2", "got %q, then %q", bodies(first), bodies(second))
		p.check(*first[0].ReceiptHandle == *second[0].ReceiptHandle, "another handle")
		p.check(len(p.receive(url, attempt("a2"))) == 0, "another attempt gets them too")
	}},
	{"the delay of a fifo queue", "dg:sqs-delay-queues", func(p *probe) {
		url := p.fifo(attrs{"DelaySeconds": "1"})
		p.send(url, "1", group("g"))
		p.send(url, "2", group("g"))
		p.check(len(p.receive(url)) == 0, "not delayed")
		got := bodies(p.receive(url, wait(5)))
		p.check(strings.HasPrefix(got, "1"), "got %q", got)
	}},
}
