package conformance

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const maxSize = 1 << 20

var sendCases = []conformanceCase{
	{"a body comes back as it was sent", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		for _, body := range []string{"x", " ", "tab\tnewline\ncr\r", "<xml attr='a'>&amp;</xml>", "ünïcödé", "\u0085\u00a0\ue000\ufffd", strings.Repeat("long ", 20000)} {
			out := p.send(url, body)
			sum := md5.Sum([]byte(body))
			p.check(*out.MD5OfMessageBody == hex.EncodeToString(sum[:]), "md5 of %q", body)
			m := p.one(url)
			p.check(*m.Body == body && *m.MessageId == *out.MessageId, "got %q, want %q", *m.Body, body)
			p.remove(url, m)
		}
	}},
	{"characters beyond the first plane", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "😀\U00010000\U0010ffff")
		p.check(*p.one(url).Body == "😀\U00010000\U0010ffff", "changed")
	}},
	{"forbidden characters", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		for _, body := range []string{"\x00", "a\x01b", "\x0b", "\x1f", "\ufffe", "\uffff"} {
			p.code(p.sendError(url, body), invalidContents, 400)
		}
	}},
	{"an empty body", "api:SendMessage", func(p *probe) {
		p.code(p.sendError(p.queue(nil), ""), missing, 400)
	}},
	{"a body of the maximum size", "dg:quotas-messages", func(p *probe) {
		url := p.queue(nil)
		p.send(url, strings.Repeat("x", maxSize))
		p.check(len(*p.one(url).Body) == maxSize, "size changed")
		p.code(p.sendError(url, strings.Repeat("x", maxSize+1)), invalidValue, 400)
	}},
	{"attributes count towards the size", "dg:sqs-message-metadata", func(p *probe) {
		url := p.queue(nil)
		p.code(p.sendError(url, strings.Repeat("x", maxSize-8), with("key", text("value"))), invalidValue, 400)
		p.send(url, strings.Repeat("x", maxSize-len("key")-len("String")-len("value")), with("key", text("value")))
	}},
	{"the queue's maximum size", "api:SetQueueAttributes", func(p *probe) {
		url := p.queue(attrs{"MaximumMessageSize": "1024"})
		p.send(url, strings.Repeat("x", 1024))
		p.code(p.sendError(url, strings.Repeat("x", 1025)), invalidValue, 400)
	}},
	{"delay out of range", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		p.code(p.sendError(url, "x", delay(901)), invalidValue, 400)
		p.code(p.sendError(url, "x", delay(-1)), invalidValue, 400)
	}},
	{"a delayed message", "dg:sqs-message-timers", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "later", delay(2))
		p.check(p.attributes(url)["ApproximateNumberOfMessagesDelayed"] == "1", "not counted as delayed")
		p.check(len(p.receive(url)) == 0, "not delayed")
		p.one(url)
	}},
	{"the queue's delay", "dg:sqs-delay-queues", func(p *probe) {
		url := p.queue(attrs{"DelaySeconds": "2"})
		p.send(url, "later")
		p.check(len(p.receive(url)) == 0, "not delayed")
		p.one(url)
	}},
	{"a deduplication id on a standard queue", "api:SendMessage", func(p *probe) {
		p.code(p.sendError(p.queue(nil), "x", dedupID("d")), invalidValue, 400)
	}},
	{"a group on a standard queue is kept and does not lock", "dg:sqs-fair-queues", func(p *probe) {
		url := p.queue(nil)
		for range 3 {
			p.send(url, "x", group("tenant"))
		}
		for range 3 {
			m := p.one(url, most(1))
			p.check(m.Attributes["MessageGroupId"] == "tenant", "attributes %v", m.Attributes)
		}
	}},
	{"the trace header is kept", "dg:sqs-message-metadata", func(p *probe) {
		url := p.queue(nil)
		trace := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
		out, err := p.client.SendMessage(p.ctx, &awssqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &trace}},
		})
		p.noError(err)
		p.check(aws.ToString(out.MD5OfMessageSystemAttributes) != "", "no md5 of the system attributes")
		p.check(p.one(url).Attributes["AWSTraceHeader"] == trace, "trace lost")
	}},
	{"an unknown system attribute", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		_, err := p.client.SendMessage(p.ctx, &awssqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"Other": {DataType: aws.String("String"), StringValue: aws.String("v")}},
		})
		p.code(err, invalidValue, 400)
	}},
}

var messageAttributeCases = []conformanceCase{
	{"attributes of each type come back", "dg:sqs-message-metadata", func(p *probe) {
		url := p.queue(nil)
		sent := map[string]types.MessageAttributeValue{
			"s": text("väl"), "n": {DataType: aws.String("Number"), StringValue: aws.String("-12.5e3")},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}}, "l": {DataType: aws.String("String.json"), StringValue: aws.String("{}")},
			"lb": {DataType: aws.String("Binary.gif"), BinaryValue: []byte("GIF89a")},
		}
		out := p.send(url, "x", func(in *awssqs.SendMessageInput) { in.MessageAttributes = sent })
		m := p.one(url)
		p.check(aws.ToString(out.MD5OfMessageAttributes) == aws.ToString(m.MD5OfMessageAttributes), "md5 differs")
		p.check(len(m.MessageAttributes) == len(sent), "got %d attributes", len(m.MessageAttributes))
		for name, want := range sent {
			got := m.MessageAttributes[name]
			p.check(*got.DataType == *want.DataType && aws.ToString(got.StringValue) == aws.ToString(want.StringValue) && string(got.BinaryValue) == string(want.BinaryValue), "%s changed", name)
		}
	}},
	{"the md5 of attributes is AWS's", "dg:sqs-message-metadata", func(p *probe) {
		out := p.send(p.queue(nil), "x", with("timestamp", types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: aws.String("1493147359900")}))
		p.check(*out.MD5OfMessageAttributes == "235c5c510d26fb653d073faed50ae77c", "got %s", *out.MD5OfMessageAttributes)
	}},
	{"nothing but the basics unless asked", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		p.send(url, "x", with("a", text("v")))
		out, err := p.client.ReceiveMessage(p.ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url})
		p.noError(err)
		p.check(len(out.Messages) == 1, "no message")
		m := out.Messages[0]
		p.check(len(m.Attributes) == 0 && len(m.MessageAttributes) == 0 && m.MD5OfMessageAttributes == nil, "unasked: %v %v", m.Attributes, m.MessageAttributes)
		p.check(m.Body != nil && m.MessageId != nil && m.ReceiptHandle != nil && m.MD5OfBody != nil, "basics missing")
	}},
	{"attributes by name and prefix", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		for names, want := range map[string]string{"a.one": "[a.one]", "a.*": "[a.one a.two]", ".*": "[a.one a.two b]", "All": "[a.one a.two b]", "zzz": "[]", "b,a.two": "[a.two b]"} {
			p.send(url, "x", with("a.one", text("1")), with("a.two", text("2")), with("b", text("3")))
			m := p.one(url, func(in *awssqs.ReceiveMessageInput) { in.MessageAttributeNames = strings.Split(names, ",") })
			got := []string{}
			for _, name := range []string{"a.one", "a.two", "b"} {
				if _, has := m.MessageAttributes[name]; has {
					got = append(got, name)
				}
			}
			p.check(fmt.Sprint(got) == want, "%s: got %v, want %s", names, got, want)
			p.check((m.MD5OfMessageAttributes != nil) == (want != "[]"), "%s: md5 %v", names, aws.ToString(m.MD5OfMessageAttributes))
			p.remove(url, m)
		}
	}},
	{"the md5 covers the returned attributes only", "api:ReceiveMessage", func(p *probe) {
		url := p.queue(nil)
		alone := p.send(url, "x", with("a", text("1")))
		p.remove(url, p.one(url))
		p.send(url, "x", with("a", text("1")), with("b", text("2")))
		m := p.one(url, func(in *awssqs.ReceiveMessageInput) { in.MessageAttributeNames = []string{"a"} })
		p.check(*m.MD5OfMessageAttributes == *alone.MD5OfMessageAttributes, "md5 is not that of a alone")
	}},
	{"ten attributes, not eleven", "dg:quotas-messages", func(p *probe) {
		url := p.queue(nil)
		ten := func(in *awssqs.SendMessageInput) {
			for i := range 10 {
				with(fmt.Sprint("a", i), text("v"))(in)
			}
		}
		p.send(url, "x", ten)
		p.code(p.sendError(url, "x", ten, with("a10", text("v"))), invalidValue, 400)
	}},
	{"attribute names are checked", "dg:sqs-message-metadata", func(p *probe) {
		url := p.queue(nil)
		for _, name := range []string{"AWS.x", "amazon.x", ".x", "x.", "a..b", "sp ace", "ü", strings.Repeat("x", 257)} {
			p.code(p.sendError(url, "x", with(name, text("v"))), invalidValue, 400)
		}
		p.send(url, "x", with(strings.Repeat("x", 256), text("v")), with("a-b_c.D9", text("v")))
	}},
	{"attribute values are checked", "dg:sqs-message-metadata", func(p *probe) {
		url := p.queue(nil)
		for what, v := range map[string]types.MessageAttributeValue{
			"empty string": {DataType: aws.String("String"), StringValue: aws.String("")},
			"no value":     {DataType: aws.String("String")},
			"other type":   {DataType: aws.String("Boolean"), StringValue: aws.String("true")},
			"no type":      {DataType: aws.String(""), StringValue: aws.String("v")},
			"no number":    {DataType: aws.String("Number"), StringValue: aws.String("12a")},
			"no bytes":     {DataType: aws.String("Binary"), StringValue: aws.String("v")},
		} {
			err := p.sendError(url, "x", with("a", v))
			p.check(err != nil, "%s accepted", what)
			p.code(err, invalidValue, 400)
		}
	}},
}
