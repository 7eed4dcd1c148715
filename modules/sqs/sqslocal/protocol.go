package sqslocal

import (
	"net/http"
	"reflect"
	"strings"
)

// protocol is one of the two wire formats of SQS.
type protocol interface {
	contentType() string
	// action names the operation that a request asks for. It is empty if the request names none.
	action(r *http.Request, body []byte) (string, error)
	// read decodes the request into the struct v.
	read(r *http.Request, body []byte, v reflect.Value) error
	// success and failure append an answer to b.
	success(b []byte, action string, out reflect.Value, requestID string) []byte
	failure(b []byte, e *apiError, requestID string) []byte
}

// protocolOf tells how a request is written. Older SDKs post a form, or ask with a GET; newer ones name a target.
func protocolOf(r *http.Request) protocol {
	if r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json") {
		return jsonProtocol{}
	}
	return &queryProtocol{}
}

// jsonProtocol is AWS JSON 1.0.
type jsonProtocol struct{}

func (jsonProtocol) contentType() string { return "application/x-amz-json-1.0" }

func (jsonProtocol) action(r *http.Request, _ []byte) (string, error) {
	name, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if !ours || r.Method != http.MethodPost {
		return "", errUnknownAction("")
	}
	return name, nil
}

func (jsonProtocol) read(_ *http.Request, body []byte, v reflect.Value) error {
	return readJSON(body, v)
}

func (jsonProtocol) success(b []byte, _ string, out reflect.Value, _ string) []byte {
	return appendJSON(b, out, shapeOf(out.Type()))
}

func (jsonProtocol) failure(b []byte, e *apiError, _ string) []byte {
	b = appendJSONString(append(b, `{"__type":`...), e.shape)
	b = appendJSONString(append(b, `,"message":`...), e.message)
	return append(b, '}')
}
