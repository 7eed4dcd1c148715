// Package conformance is one suite of what an SQS must do, run over HTTP by the unmodified AWS SDK.
//
//	go test ./modules/sqs/sqslocal/conformance                                          # against sqslocal
//	SQS_CONFORMANCE_ENDPOINT=http://127.0.0.1:4568 go test ./modules/sqs/sqslocal/conformance   # against any endpoint
//	SQS_CONFORMANCE_FAUXQS=/tmp/fauxqs go test ./modules/sqs/sqslocal/conformance               # against npm fauxqs, started there
//
// Each case names the page of AWS's documentation that it follows: api:X is the API reference's page API_X, dg:X the developer
// guide's page X, model is the service model that the SDKs are generated from. SQS_CONFORMANCE_DIFFERENCES names a file of
// cases that the endpoint is known to fail, such as fauxqs.differences; a listed case that passes fails the suite.
package conformance
