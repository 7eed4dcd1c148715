package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// AsyncAPI returns the contract as an AsyncAPI 3.0 document in JSON: one
// channel and one receive operation per event, one message per payload type.
func (c Contract) AsyncAPI(title, version string) ([]byte, error) {
	doc := asyncAPI{AsyncAPI: "3.0.0", DefaultContentType: "application/json"}
	doc.Info.Title, doc.Info.Version = title, version
	doc.Channels = make(map[string]asyncChannel)
	doc.Operations = make(map[string]asyncOperation)
	doc.Components.Messages = make(map[string]asyncMessage)
	for _, e := range c.Events {
		id := asyncID(e.Name)
		for doc.Channels[id].Address != "" {
			id += "_"
		}
		channel := asyncChannel{Address: e.Name, Messages: make(map[string]asyncRef)}
		if e.Wildcard {
			channel.Description = "Every event that the pattern " + e.Name + " selects."
		}
		operation := asyncOperation{Action: "receive", Channel: asyncRef{"#/channels/" + id}, Listeners: e.Listeners}
		for i, p := range e.Payloads {
			key := id
			if i > 0 {
				key = fmt.Sprintf("%s_%d", id, i+1)
			}
			schema := bytes.ReplaceAll(p.Schema, []byte(`"#/$defs/`), []byte(`"#/components/messages/`+key+`/payload/$defs/`))
			doc.Components.Messages[key] = asyncMessage{Name: e.Name, Title: p.Type, ContentType: "application/json", Payload: schema}
			channel.Messages[key] = asyncRef{"#/components/messages/" + key}
			operation.Messages = append(operation.Messages, asyncRef{"#/channels/" + id + "/messages/" + key})
		}
		doc.Channels[id] = channel
		if len(e.Listeners) > 0 {
			doc.Operations["on_"+id] = operation
		}
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing AsyncAPI document: %w", err)
	}
	return append(text, '\n'), nil
}

type asyncAPI struct {
	AsyncAPI string `json:"asyncapi"`
	Info     struct {
		Title   string `json:"title"`
		Version string `json:"version"`
	} `json:"info"`
	DefaultContentType string                    `json:"defaultContentType"`
	Channels           map[string]asyncChannel   `json:"channels"`
	Operations         map[string]asyncOperation `json:"operations"`
	Components         struct {
		Messages map[string]asyncMessage `json:"messages"`
	} `json:"components"`
}

type asyncChannel struct {
	Address     string              `json:"address"`
	Description string              `json:"description,omitempty"`
	Messages    map[string]asyncRef `json:"messages,omitempty"`
}

type asyncOperation struct {
	Action    string             `json:"action"`
	Channel   asyncRef           `json:"channel"`
	Messages  []asyncRef         `json:"messages,omitempty"`
	Listeners []ListenerContract `json:"x-listeners,omitempty"`
}

type asyncMessage struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	ContentType string          `json:"contentType"`
	Payload     json.RawMessage `json:"payload"`
}

type asyncRef struct {
	Ref string `json:"$ref"`
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// asyncID makes a key of an event name: keys may hold letters, digits, "_", "-".
func asyncID(name string) string {
	return notInID.ReplaceAllString(strings.ReplaceAll(name, "*", "any"), "_")
}
