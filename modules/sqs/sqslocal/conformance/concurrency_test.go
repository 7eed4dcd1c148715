package conformance

import (
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

var countCases = []conformanceCase{
	{"counts follow the message", "api:GetQueueAttributes", func(p *probe) {
		url := p.queue(nil)
		counts := func() string {
			a := p.attributes(url)
			return a["ApproximateNumberOfMessages"] + a["ApproximateNumberOfMessagesNotVisible"] + a["ApproximateNumberOfMessagesDelayed"]
		}
		p.check(counts() == "000", "empty: %s", counts())
		p.send(url, "x")
		p.send(url, "y", delay(60))
		p.check(counts() == "101", "sent: %s", counts())
		m := p.one(url)
		p.check(counts() == "011", "received: %s", counts())
		p.hide(url, m, 0)
		p.check(counts() == "101", "released: %s", counts())
		p.remove(url, p.one(url))
		p.check(counts() == "001", "deleted: %s", counts())
	}},
}

// consume runs consumers that receive, hand each message to seen and delete it, until seen has had n.
func (p *probe) consume(url string, consumers, n int, seen func(types.Message) error) error {
	var mu sync.Mutex
	var first error
	left := n
	var wg sync.WaitGroup
	for range consumers {
		wg.Go(func() {
			for {
				mu.Lock()
				over := left <= 0 || first != nil
				mu.Unlock()
				if over {
					return
				}
				out, err := p.client.ReceiveMessage(p.ctx, &awssqs.ReceiveMessageInput{
					QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
					MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
				})
				mu.Lock()
				if err == nil {
					left -= len(out.Messages)
					for _, m := range out.Messages {
						if e := seen(m); e != nil && err == nil {
							err = e
						}
					}
				}
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
				for _, m := range out.Messages {
					if err := p.removeError(url, *m.ReceiptHandle); err != nil {
						mu.Lock()
						first = err
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	return first
}

var concurrencyCases = []conformanceCase{
	{"many consumers: nothing lost, nothing twice", "dg:sqs-visibility-timeout", func(p *probe) {
		const n = 500
		url := p.queue(nil)
		for i := 0; i < n; i += 10 {
			batch := entries(10, "")
			for j := range batch {
				batch[j].MessageBody = aws.String(fmt.Sprint(i + j))
			}
			_, err := p.sendBatch(url, batch)
			p.noError(err)
		}
		times := map[string]int{}
		err := p.consume(url, 20, n, func(m types.Message) error {
			times[*m.Body]++
			return nil
		})
		p.noError(err)
		p.check(len(times) == n, "%d of %d arrived", len(times), n)
		for body, k := range times {
			p.check(k == 1, "%s arrived %d times", body, k)
		}
	}},
	{"many consumers: fifo groups in order", "dg:FIFO-queues-understanding-logic", func(p *probe) {
		const groups, each = 10, 20
		url := p.fifo(nil)
		for i := range each {
			batch := entries(groups, "")
			for g := range batch {
				batch[g].MessageBody, batch[g].MessageGroupId = aws.String(fmt.Sprintf("%d-%d", g, i)), aws.String(fmt.Sprint(g))
			}
			_, err := p.sendBatch(url, batch)
			p.noError(err)
		}
		next := map[string]int{}
		err := p.consume(url, 20, groups*each, func(m types.Message) error {
			g := m.Attributes["MessageGroupId"]
			want := fmt.Sprintf("%s-%d", g, next[g])
			next[g]++
			if *m.Body != want {
				return fmt.Errorf("group %s: got %s, want %s", g, *m.Body, want)
			}
			return nil
		})
		p.noError(err)
		p.check(len(next) == groups, "%d groups", len(next))
	}},
}
