package sqslocal

import (
	"context"
	"reflect"
)

// call is one request on its way through the server, whatever the protocol.
type call struct {
	server *Server
	base   string // the endpoint as the client named it: queue URLs in answers begin with it
	sender string // access key id of the caller
	faults drawn
}

func (c *call) queueURL(q *queue) string { return c.base + "/" + c.server.cfg.Account + "/" + q.name }

// action is one operation of the API: the types of its request and its answer, which both protocols read and write by, and
// what it does.
type action struct {
	name    string
	request reflect.Type
	run     func(ctx context.Context, c *call, request reflect.Value) (reflect.Value, error)
}

func define[In, Out any](name string, run func(context.Context, *call, *In) (*Out, error)) action {
	return action{
		name:    name,
		request: reflect.TypeFor[In](),
		run: func(ctx context.Context, c *call, request reflect.Value) (reflect.Value, error) {
			in, _ := reflect.TypeAssert[*In](request)
			out, err := run(ctx, c, in)
			if err != nil {
				return reflect.Value{}, err
			}
			return reflect.ValueOf(out).Elem(), nil
		},
	}
}

// empty is the answer of actions that have nothing to say.
type empty struct{}

var actions = byName(
	define("CreateQueue", createQueue),
	define("GetQueueUrl", getQueueURL),
	define("ListQueues", listQueues),
	define("DeleteQueue", deleteQueue),
	define("PurgeQueue", purgeQueue),
	define("GetQueueAttributes", getQueueAttributes),
	define("SetQueueAttributes", setQueueAttributes),
	define("SendMessage", sendMessage),
	define("SendMessageBatch", sendMessageBatch),
	define("ReceiveMessage", receiveMessage),
	define("DeleteMessage", deleteMessage),
	define("DeleteMessageBatch", deleteMessageBatch),
	define("ChangeMessageVisibility", changeMessageVisibility),
	define("ChangeMessageVisibilityBatch", changeMessageVisibilityBatch),
	define("TagQueue", tagQueue),
	define("UntagQueue", untagQueue),
	define("ListQueueTags", listQueueTags),
	define("AddPermission", addPermission),
	define("RemovePermission", removePermission),
	define("ListDeadLetterSourceQueues", listDeadLetterSourceQueues),
	define("StartMessageMoveTask", startMessageMoveTask),
	define("CancelMessageMoveTask", cancelMessageMoveTask),
	define("ListMessageMoveTasks", listMessageMoveTasks),
)

func byName(all ...action) map[string]action {
	out := make(map[string]action, len(all))
	for _, a := range all {
		out[a.name] = a
	}
	return out
}
