package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

var wireCases = []conformanceCase{
	{"json error has type, query header and request id", "dg:sqs-json-api-responses", func(p *probe) {
		a := p.json("GetQueueUrl", `{"QueueName":"no-such-queue"}`)
		var doc struct {
			Type string `json:"__type"`
		}
		p.noError(json.Unmarshal([]byte(a.body), &doc))
		p.check(a.status == 400, "status %d", a.status)
		p.check(doc.Type == "com.amazonaws.sqs#QueueDoesNotExist", "type %q", doc.Type)
		p.check(a.header.Get("x-amzn-query-error") == "AWS.SimpleQueueService.NonExistentQueue;Sender", "header %q", a.header.Get("x-amzn-query-error"))
		p.check(a.header.Get("x-amzn-RequestId") != "", "no request id")
		p.check(a.header.Get("Content-Type") == "application/x-amz-json-1.0", "content type %q", a.header.Get("Content-Type"))
	}},
	{"error codes have their exact names", "model", func(p *probe) {
		url := p.queue(nil)
		for body, want := range map[string]string{
			`SendMessage {"QueueUrl":"URL","MessageBody":""}`:                  "MissingParameter;Sender",
			`SendMessage {"QueueUrl":"URL","MessageBody":"\u0001"}`:            "InvalidMessageContents;Sender",
			`ReceiveMessage {"QueueUrl":"URL","MaxNumberOfMessages":11}`:       "InvalidParameterValue;Sender",
			`DeleteMessage {"QueueUrl":"URL","ReceiptHandle":"garbage"}`:       "ReceiptHandleIsInvalid;Sender",
			`SendMessageBatch {"QueueUrl":"URL","Entries":[]}`:                 "AWS.SimpleQueueService.EmptyBatchRequest;Sender",
			`SetQueueAttributes {"QueueUrl":"URL","Attributes":{"Colour":""}}`: "InvalidAttributeName;Sender",
		} {
			action, doc, _ := strings.Cut(body, " ")
			a := p.json(action, strings.Replace(doc, "URL", url, 1))
			p.check(a.header.Get("x-amzn-query-error") == want, "%s: got %q, want %q", body, a.header.Get("x-amzn-query-error"), want)
		}
	}},
	{"malformed json is a client error", "dg:sqs-json-api-responses", func(p *probe) {
		for _, body := range []string{`{`, `{"QueueName":}`, `[]`, `"x"`, `null`, `{"QueueName":"a"`, `{"QueueName":"a"} x`, "{\"QueueName\":\"\x01\"}", ``} {
			a := p.json("CreateQueue", body)
			p.check(a.status/100 == 4 && strings.Contains(a.body, "__type"), "%s: status %d, body %s", body, a.status, a.body)
		}
	}},
	{"wrong type is a client error", "model", func(p *probe) {
		url := p.queue(nil)
		for action, body := range map[string]string{
			"CreateQueue":      `{"QueueName":7}`,
			"SendMessage":      fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":{"a":1}}`, url),
			"ReceiveMessage":   fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":"ten"}`, url),
			"SendMessageBatch": fmt.Sprintf(`{"QueueUrl":%q,"Entries":{"Id":"a"}}`, url),
			"DeleteMessage":    fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":["a"]}`, url),
		} {
			a := p.json(action, body)
			p.check(a.status/100 == 4 && strings.Contains(a.body, "__type"), "%s: status %d, body %s", action, a.status, a.body)
		}
	}},
	{"unknown action is a client error", "dg:sqs-json-api-responses", func(p *probe) {
		a := p.json("MakeCoffee", `{}`)
		p.check(a.status/100 == 4 && strings.Contains(a.body, "UnknownOperation"), "status %d, body %s", a.status, a.body)
	}},
	{"unknown members are ignored", "dg:sqs-json-api-responses", func(p *probe) {
		a := p.json("ListQueues", `{"Flavour":"mint","Nested":{"a":[1,2,{"b":null}]},"QueueNamePrefix":"no-such-prefix"}`)
		p.check(a.status == 200, "status %d, body %s", a.status, a.body)
	}},
	{"null members count as absent", "dg:sqs-json-api-responses", func(p *probe) {
		a := p.json("ListQueues", `{"QueueNamePrefix":null,"MaxResults":null}`)
		p.check(a.status == 200, "status %d, body %s", a.status, a.body)
	}},
	{"empty receive leaves Messages out", "api:ReceiveMessage", func(p *probe) {
		a := p.json("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, p.queue(nil)))
		p.check(a.status == 200 && strings.TrimSpace(a.body) == "{}", "status %d, body %s", a.status, a.body)
	}},
	{"escapes in json are decoded", "api:SendMessage", func(p *probe) {
		url := p.queue(nil)
		a := p.json("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"\u0041\n\t\"\\\/\ud83d\ude00<&>"}`, url))
		p.check(a.status == 200, "status %d, body %s", a.status, a.body)
		m := p.one(url)
		p.check(*m.Body == "A\n\t\"\\/😀<&>", "body %q", *m.Body)
	}},
	{"oversized request is refused", "dg:quotas-messages", func(p *probe) {
		url := p.queue(nil)
		a := p.json("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q}`, url, strings.Repeat("x", 9<<20)))
		p.check(a.status/100 == 4, "status %d", a.status)
	}},
	{"query protocol sends and receives", "dg:sqs-making-api-requests-xml", func(p *probe) {
		name := p.queueName()
		a := p.query("/", "Action=CreateQueue&Version=2012-11-05&QueueName="+name+"&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=77")
		p.check(a.status == 200, "create: %d %s", a.status, a.body)
		url := between(a.body, "<QueueUrl>", "</QueueUrl>")
		p.check(p.attributes(url)["VisibilityTimeout"] == "77", "attributes %v", p.attributes(url))
		path := url[strings.Index(url[8:], "/")+8:]
		a = p.query(path, "Action=SendMessage&MessageBody=hi+%26+bye&MessageAttribute.1.Name=k&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v")
		p.check(a.status == 200 && strings.Contains(a.body, "<SendMessageResult>") && strings.Contains(a.body, "<MD5OfMessageAttributes>"), "send: %d %s", a.status, a.body)
		a = p.query(path, "Action=ReceiveMessage&MessageAttributeName.1=All&AttributeName.1=All")
		p.check(strings.Contains(a.body, "<Body>hi &amp; bye</Body>"), "receive: %s", a.body)
		p.check(strings.Contains(a.body, "<MessageAttribute><Name>k</Name><Value>"), "attributes: %s", a.body)
		p.check(strings.Contains(a.body, "<Name>ApproximateReceiveCount</Name><Value>1</Value>"), "system attributes: %s", a.body)
	}},
	{"query protocol batches", "api:SendMessageBatch", func(p *probe) {
		url := p.queue(nil)
		a := p.query("/", "Action=SendMessageBatch&QueueUrl="+url+
			"&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=one"+
			"&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=")
		p.check(a.status == 200, "status %d %s", a.status, a.body)
		p.check(strings.Contains(a.body, "<SendMessageBatchResultEntry><Id>a</Id>"), "successful: %s", a.body)
		p.check(strings.Contains(a.body, "<BatchResultErrorEntry>") && strings.Contains(a.body, "<Id>b</Id>"), "failed: %s", a.body)
	}},
	{"query protocol error is xml", "dg:sqs-xml-api-responses", func(p *probe) {
		a := p.query("/", "Action=GetQueueUrl&QueueName=no-such-queue")
		p.check(a.status == 400, "status %d", a.status)
		p.check(strings.Contains(a.body, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>") && strings.Contains(a.body, "<Type>Sender</Type>"), "body %s", a.body)
		p.check(strings.HasPrefix(a.header.Get("Content-Type"), "text/xml"), "content type %s", a.header.Get("Content-Type"))
	}},
	{"query protocol unknown action is a client error", "dg:sqs-xml-api-responses", func(p *probe) {
		a := p.query("/", "Action=MakeCoffee")
		p.check(a.status/100 == 4 && strings.Contains(a.body, "<Code>InvalidAction</Code>"), "status %d, body %s", a.status, a.body)
	}},
	{"query protocol works by GET", "dg:sqs-making-api-requests-xml", func(p *probe) {
		r, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.endpoint+"/?Action=ListQueues&QueueNamePrefix=no-such-prefix", nil)
		p.noError(err)
		a := p.do(r)
		p.check(a.status == 200 && strings.Contains(a.body, "<ListQueuesResponse"), "status %d, body %s", a.status, a.body)
	}},
}

func between(s, after, before string) string {
	_, rest, _ := strings.Cut(s, after)
	out, _, _ := strings.Cut(rest, before)
	return out
}
