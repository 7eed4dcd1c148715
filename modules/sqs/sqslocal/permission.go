package sqslocal

import (
	"context"
	"encoding/json"
	"slices"
)

// policyDocument is the queue's Policy attribute, as AddPermission extends it. Policies are kept and told, not enforced.
type policyDocument struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

type policyStatement struct {
	Sid       string              `json:"Sid"`
	Effect    string              `json:"Effect"`
	Principal map[string][]string `json:"Principal"`
	Action    []string            `json:"Action"`
	Resource  string              `json:"Resource"`
}

type addPermissionRequest struct {
	QueueURL string   `sqs:"QueueUrl"`
	Label    string   `sqs:"Label"`
	Accounts []string `sqs:"AWSAccountIds,AWSAccountId"`
	Actions  []string `sqs:"Actions,ActionName"`
}

// permissible are the actions that can be shared with another account (api:AddPermission), besides * for all.
var permissible = []string{
	"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
	"PurgeQueue", "ReceiveMessage", "SendMessage",
}

// maxPermissionActions is the most actions of one statement (dg:quotas-policies).
const maxPermissionActions = 7

func addPermission(_ context.Context, c *call, in *addPermissionRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	statement := policyStatement{Sid: in.Label, Effect: "Allow", Principal: map[string][]string{}, Resource: q.arn}
	for _, account := range in.Accounts {
		statement.Principal["AWS"] = append(statement.Principal["AWS"], "arn:aws:iam::"+account+":root")
	}
	for _, action := range in.Actions {
		statement.Action = append(statement.Action, "SQS:"+action)
	}
	raw, err := json.Marshal(statement)
	if err != nil {
		return nil, err
	}
	return &empty{}, q.editPolicy(func(doc *policyDocument) error {
		if slices.ContainsFunc(doc.Statement, sidIs(in.Label)) {
			return errParameter(in.Label, "Label", "Already exists.")
		}
		doc.Statement = append(doc.Statement, raw)
		return nil
	})
}

func (in *addPermissionRequest) check() error {
	switch {
	case !validName(in.Label):
		return errParameter(in.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case len(in.Accounts) == 0:
		return errMissingParameter("AWSAccountIds")
	case len(in.Actions) == 0:
		return errMissingParameter("Actions")
	case len(in.Actions) > maxPermissionActions:
		return errOverLimit("%d Actions were found, maximum allowed is %d.", len(in.Actions), maxPermissionActions)
	}
	for _, account := range in.Accounts {
		if !accountPattern.MatchString(account) {
			return errParameter(account, "PrincipalId", "Unable to verify.")
		}
	}
	for _, action := range in.Actions {
		if !slices.Contains(permissible, action) {
			return errParameter("SQS:"+action, "ActionName", "Only the queue owner is allowed to invoke this action.")
		}
	}
	return nil
}

type removePermissionRequest struct {
	QueueURL string `sqs:"QueueUrl"`
	Label    string `sqs:"Label"`
}

func removePermission(_ context.Context, c *call, in *removePermissionRequest) (*empty, error) {
	q, err := c.server.queueByURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &empty{}, q.editPolicy(func(doc *policyDocument) error {
		at := slices.IndexFunc(doc.Statement, sidIs(in.Label))
		if at < 0 {
			return errParameter(in.Label, "Label", "can't find label on existing policy.")
		}
		doc.Statement = slices.Delete(doc.Statement, at, at+1)
		return nil
	})
}

func sidIs(label string) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		var one struct {
			Sid string `json:"Sid"`
		}
		return json.Unmarshal(raw, &one) == nil && one.Sid == label
	}
}

// editPolicy changes the Policy attribute. A policy without statements is removed.
func (q *queue) editPolicy(edit func(*policyDocument) error) error {
	q.lock()
	defer q.unlock()
	doc := policyDocument{Version: "2008-10-17", ID: q.arn + "/SQSDefaultPolicy"}
	if text := q.settings.given[attrPolicy]; text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return errInvalidAttributeValue(attrPolicy)
		}
	}
	if err := edit(&doc); err != nil {
		return err
	}
	q.modified = q.now
	if len(doc.Statement) == 0 {
		delete(q.settings.given, attrPolicy)
		return nil
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	q.settings.given[attrPolicy] = string(raw)
	return nil
}
