package sqs

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// countingResolver answers with the region as host, or fails without one.
type countingResolver struct{ calls int }

func (r *countingResolver) ResolveEndpoint(_ context.Context, p awssqs.EndpointParameters) (smithyendpoints.Endpoint, error) {
	r.calls++
	if p.Region == nil {
		return smithyendpoints.Endpoint{}, errors.New("no region")
	}
	return smithyendpoints.Endpoint{URI: url.URL{Scheme: "https", Host: *p.Region + aws.ToString(p.Endpoint)}}, nil
}

func TestAnEndpointIsWorkedOutOnceForEachSetOfParameters(t *testing.T) {
	t.Parallel()
	next := &countingResolver{}
	memo := &endpointMemo{next: next}
	ask := func(p awssqs.EndpointParameters) string {
		answer, err := memo.ResolveEndpoint(t.Context(), p)
		if err != nil {
			return err.Error()
		}
		return answer.URI.Host
	}
	for _, step := range []struct {
		params awssqs.EndpointParameters
		host   string
		calls  int
	}{
		{awssqs.EndpointParameters{}, "no region", 1},
		{awssqs.EndpointParameters{}, "no region", 2}, // a failure is not remembered
		{awssqs.EndpointParameters{Region: aws.String("a")}, "a", 3},
		{awssqs.EndpointParameters{Region: aws.String("a")}, "a", 3},
		{awssqs.EndpointParameters{Region: aws.String("a"), UseFIPS: aws.Bool(true)}, "a", 4},
		{awssqs.EndpointParameters{Region: aws.String("a"), UseDualStack: aws.Bool(true)}, "a", 5},
		{awssqs.EndpointParameters{Region: aws.String("a"), Endpoint: aws.String("/x")}, "a/x", 6},
		{awssqs.EndpointParameters{Region: aws.String("b"), Endpoint: aws.String("/x")}, "b/x", 7},
		{awssqs.EndpointParameters{Region: aws.String("b"), Endpoint: aws.String("/x")}, "b/x", 7},
	} {
		if host := ask(step.params); host != step.host || next.calls != step.calls {
			t.Errorf("%+v: host %q after %d calls, want %q after %d", step.params, host, next.calls, step.host, step.calls)
		}
	}
}
