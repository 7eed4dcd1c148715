package events

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// All names live here: OpenTelemetry's messaging conventions still change.
const (
	scopeName = "github.com/fxpond/fxpond/modules/events"

	metricProcess  = "messaging.process.duration"
	metricListener = "fxpond.listener.duration"
	metricUnheard  = "fxpond.event.unheard"

	spanProcess  = "process "
	spanDispatch = "dispatch "
	spanListener = "listener "

	keyErrorType   = attribute.Key("error.type")
	keySystem      = attribute.Key("messaging.system")
	keyDestination = attribute.Key("messaging.destination.name")
	keyOperation   = attribute.Key("messaging.operation.type")
	keyMessageID   = attribute.Key("messaging.message.id")
	keyEvent       = attribute.Key("fxpond.event.name")
	keyListener    = attribute.Key("fxpond.listener.name")

	// otherEvent stands for names that no pattern spells out. They come from
	// messages, and metrics must not grow with what people send.
	otherEvent = "_other"
)

// durationBuckets are those of the messaging conventions, in seconds.
var durationBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// Origin says where a transport received an event: for spans, metrics, and those who count attempts.
type Origin struct {
	// System is the messaging system, "aws_sqs".
	System string
	// Destination is the queue. It is a metric label: configured names only.
	Destination string
	// MaxDeliveries is how often the queue delivers an event before it takes it away, SQS's
	// maxReceiveCount; 0 if it goes on, or if that is not known. See [Attempt].
	MaxDeliveries int
}

type originKey struct{}

// WithOrigin tells Deliver where its event comes from. Make the context once
// per queue and derive the messages' contexts from it.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns where the event came from whose listener has ctx; the zero Origin if nobody said.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// telemetry makes spans and measures durations. With nothing configured it
// costs a check per event.
type telemetry struct {
	standIn    trace.TracerProvider // OpenTelemetry's own until a provider is set, nil if one was
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	parent     bool // process spans are children of the sender's, not linked
	listeners  bool // spans for each listener

	process  metric.Float64Histogram
	listener metric.Float64Histogram
	nobody   metric.Int64Counter
	sets     attributeSets
}

func newTelemetry(cfg Config, o busOptions) (*telemetry, error) {
	tracers, meters, propagator := o.tracers, o.meters, o.propagator
	var standIn trace.TracerProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
		if isStandIn(tracers) {
			standIn = tracers
		}
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	if propagator == nil {
		propagator = otel.GetTextMapPropagator()
	}
	t := &telemetry{
		standIn: standIn, tracer: tracers.Tracer(scopeName), propagator: propagator,
		parent: cfg.ParentFromMessage, listeners: !cfg.DisableListenerSpans,
	}
	meter := meters.Meter(scopeName)
	var errs [3]error
	t.process, errs[0] = meter.Float64Histogram(metricProcess, metric.WithUnit("s"),
		metric.WithDescription("Time that the listeners of one delivered event took together."),
		metric.WithExplicitBucketBoundaries(durationBuckets...))
	t.listener, errs[1] = meter.Float64Histogram(metricListener, metric.WithUnit("s"),
		metric.WithDescription("Time that one listener took for one event, retries included."),
		metric.WithExplicitBucketBoundaries(durationBuckets...))
	t.nobody, errs[2] = meter.Int64Counter(metricUnheard, metric.WithUnit("{event}"),
		metric.WithDescription("Events that no listener wanted."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("making instruments: %w", err)
	}
	return t, nil
}

// idle says that nobody wants to know of a dispatch.
func (t *telemetry) idle(ctx context.Context) bool {
	return !t.listener.Enabled(ctx) && !trace.SpanFromContext(ctx).IsRecording()
}

// looks says whether anybody wants to know of a delivery.
func (t *telemetry) looks(ctx context.Context) bool {
	return t.traces() || t.process.Enabled(ctx) || t.listener.Enabled(ctx)
}

// traces says whether a span could be seen by anybody.
func (t *telemetry) traces() bool { return t.standIn == nil || otel.GetTracerProvider() != t.standIn }

// isStandIn tells the provider that OpenTelemetry has while none is set. Its
// spans are seen by nobody but cost six allocations each.
func isStandIn(p trace.TracerProvider) bool {
	t := reflect.TypeOf(p)
	return t.Kind() == reflect.Pointer && t.Elem().Name() == "tracerProvider" &&
		t.Elem().PkgPath() == "go.opentelemetry.io/otel/internal/global"
}

// watch observes one event from dispatch to outcome.
type watch struct {
	tel    *telemetry
	run    *run
	span   trace.Span // nil if there is none
	series series
	timed  bool // somebody measures
	began  time.Duration
}

// dispatch observes an event of this process. It joins the caller's trace and
// starts none of its own.
func (t *telemetry) dispatch(ctx context.Context, r *run, known bool) (context.Context, watch) {
	w := watch{tel: t, run: r}
	if trace.SpanFromContext(ctx).IsRecording() {
		w.series.event = eventLabel(r.event.Name, known)
		ctx, w.span = t.tracer.Start(ctx, spanDispatch+w.series.event, trace.WithAttributes(keyEvent.String(w.series.event)))
		r.spans = t.listeners && w.span.IsRecording()
		r.watched = r.watched || r.spans
	}
	t.measure(ctx, r, known)
	return ctx, w
}

// processing observes an event that a transport delivers.
func (t *telemetry) processing(ctx context.Context, r *run, known bool) (context.Context, watch) {
	origin := OriginOf(ctx)
	w := watch{tel: t, run: r, series: series{event: eventLabel(r.event.Name, known), system: origin.System, destination: origin.Destination}}
	if t.traces() {
		ctx, w.span = t.startProcess(ctx, r, w.series)
	}
	if t.process.Enabled(ctx) {
		w.timed, w.began = true, clock()
	}
	t.measure(ctx, r, known)
	return ctx, w
}

// startProcess starts the span of a delivery. It is linked to the sender's, since one trace over a queue
// would last as long as the backlog.
func (t *telemetry) startProcess(ctx context.Context, r *run, s series) (context.Context, trace.Span) {
	name := spanProcess + s.event
	if s.destination != "" {
		name = spanProcess + s.destination
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), t.sets.start(s)}
	if len(r.event.Metadata) > 0 {
		remote := t.propagator.Extract(context.Background(), propagation.MapCarrier(r.event.Metadata))
		switch sender := trace.SpanContextFromContext(remote); {
		case !sender.IsValid():
		case t.parent:
			ctx = trace.ContextWithRemoteSpanContext(ctx, sender)
		default:
			options = append(options, trace.WithLinks(trace.Link{SpanContext: sender}))
		}
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	if span.IsRecording() {
		span.SetAttributes(keyMessageID.String(r.event.ID))
		r.spans = t.listeners
		r.watched = r.watched || r.spans
	}
	return ctx, span
}

// measure makes the run record the durations of its listeners, if anyone reads
// them.
func (t *telemetry) measure(ctx context.Context, r *run, known bool) {
	if t.listener.Enabled(ctx) {
		r.label, r.watched = eventLabel(r.event.Name, known), true
	}
}

// end closes the span and records the duration.
func (w watch) end(ctx context.Context) {
	if w.span == nil && !w.timed {
		return
	}
	for i, err := range w.run.errs {
		if result := newResult(w.run.routes[i].name, err, 0); result.Status == StatusFailed {
			w.series.class = result.Class
			break
		}
	}
	if w.span != nil {
		if w.series.class != ClassNone && w.span.IsRecording() {
			w.span.SetStatus(codes.Error, string(w.series.class))
			w.span.SetAttributes(keyErrorType.String(string(w.series.class)))
		}
		w.span.End()
	}
	if w.timed {
		w.tel.process.Record(ctx, (clock() - w.began).Seconds(), w.tel.sets.record(w.series)...)
	}
}

// observed runs the listener of that index with span and duration.
func (t *telemetry) observed(ctx context.Context, r *run, i int, handle handler) (err error) {
	rt := r.routes[i]
	var span trace.Span
	if r.spans {
		ctx, span = t.tracer.Start(ctx, spanListener+rt.name, t.sets.start(series{event: r.label, listener: rt.name}))
	}
	began, returned := clock(), false
	defer func() {
		took := clock() - began
		if r.timed {
			r.took[i].Store(int64(took))
		}
		class := ClassPanic // it did not return: a panic on its way to the pool, or Goexit
		if returned {
			class = newResult(rt.name, err, 0).Class
		}
		if r.label != "" {
			t.listener.Record(ctx, took.Seconds(),
				t.sets.record(series{event: r.label, listener: rt.name, class: class})...)
		}
		if span == nil {
			return
		}
		if class != ClassNone {
			span.RecordError(err)
			span.SetStatus(codes.Error, string(class))
			span.SetAttributes(keyErrorType.String(string(class)))
		}
		span.End()
	}()
	err = handle(ctx, &r.event)
	returned = true
	return err
}

func (t *telemetry) unheard(ctx context.Context) { t.nobody.Add(ctx, 1) }
