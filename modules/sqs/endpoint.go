package sqs

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// endpointMemo remembers the endpoint that the SDK would otherwise work out, URL parsing and all, for
// each request. A client's endpoint changes only with its options.
type endpointMemo struct {
	next awssqs.EndpointResolverV2
	last atomic.Pointer[resolvedEndpoint]
}

type resolvedEndpoint struct {
	region, endpoint    string
	dualStack, fips     bool
	withRegion, withURL bool
	answer              smithyendpoints.Endpoint
}

// ResolveEndpoint implements [awssqs.EndpointResolverV2].
func (m *endpointMemo) ResolveEndpoint(ctx context.Context, p awssqs.EndpointParameters) (smithyendpoints.Endpoint, error) {
	if last := m.last.Load(); last != nil && last.is(p) {
		return last.answer, nil // the SDK copies what it changes
	}
	answer, err := m.next.ResolveEndpoint(ctx, p)
	if err != nil {
		return answer, err
	}
	m.last.Store(&resolvedEndpoint{
		region: aws.ToString(p.Region), withRegion: p.Region != nil,
		endpoint: aws.ToString(p.Endpoint), withURL: p.Endpoint != nil,
		dualStack: aws.ToBool(p.UseDualStack), fips: aws.ToBool(p.UseFIPS),
		answer: answer,
	})
	return answer, nil
}

func (r *resolvedEndpoint) is(p awssqs.EndpointParameters) bool {
	return r.withRegion == (p.Region != nil) && r.region == aws.ToString(p.Region) &&
		r.withURL == (p.Endpoint != nil) && r.endpoint == aws.ToString(p.Endpoint) &&
		r.dualStack == aws.ToBool(p.UseDualStack) && r.fips == aws.ToBool(p.UseFIPS)
}
