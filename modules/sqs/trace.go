package sqs

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	keyOperationType = attribute.Key("messaging.operation.type")
	keyMessageID     = attribute.Key("messaging.message.id")
	keyEvent         = attribute.Key("fxpond.event.name")
)

// startSpan begins the span of one event, from its line to its answer: the one that the span of the
// receiving side links to. Without a tracer the caller's own span takes that place.
func (o *outlet) startSpan(ctx context.Context, event string) (context.Context, trace.Span) {
	if o.tel.tracer == nil {
		return ctx, nil
	}
	return o.tel.tracer.Start(ctx, "send "+o.to.Name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		keySystem.String("aws_sqs"), keyDestination.String(o.to.Name), keyOperation.String("send"), keyOperationType.String("send"), keyEvent.String(event)))
}

// endSpan tells how the event ended.
func endSpan(span trace.Span, messageID string, err error) {
	switch {
	case span == nil:
		return
	case err != nil:
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(keyError.String(errorType(err)))
	default:
		span.SetAttributes(keyMessageID.String(messageID))
	}
	span.End()
}

// W3C trace context as message attributes, for readers that know OpenTelemetry but not X-Ray.
const (
	attributeTraceParent = "traceparent"
	attributeTraceState  = "tracestate"
)

// carryTrace writes the caller's trace into the message: always as AWSTraceHeader, which takes neither
// one of the ten attributes nor a byte of the size, and as W3C attributes where slots and room are left.
// Context that the caller put there by hand stays.
func carryTrace(ctx context.Context, m *Outgoing, room int) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return
	}
	m.Trace = xrayHeader(span)
	if _, own := m.Attributes[attributeTraceParent]; own {
		return
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	for _, name := range []string{attributeTraceParent, attributeTraceState} {
		value := carrier[name]
		size := len(name) + len(stringType) + len(value)
		if value == "" || len(m.Attributes) >= maxAttributes || size > room {
			return
		}
		m.Attributes[name] = value
		room -= size
	}
}

// xrayHeader has the same ids as the span, in X-Ray's notation.
func xrayHeader(span trace.SpanContext) string {
	id := span.TraceID()
	sampled := "0"
	if span.IsSampled() {
		sampled = "1"
	}
	return "Root=1-" + hex.EncodeToString(id[:4]) + "-" + hex.EncodeToString(id[4:]) +
		";Parent=" + span.SpanID().String() + ";Sampled=" + sampled
}
