package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"
)

// Names of what the server measures by itself. Labels are configured queues and fixed words.
const (
	scope = "github.com/fxpond/fxpond/modules/ops"

	metricDepth         = "fxpond.sqs.queue.messages"
	metricOutboxEvents  = "fxpond.outbox.events"
	metricOutboxLag     = "fxpond.outbox.lag"
	metricHealth        = "fxpond.healthy"
	metricListenersBusy = "fxpond.listener.running"

	keySystem      = attribute.Key("messaging.system")
	keyDestination = attribute.Key("messaging.destination.name")
	keyState       = attribute.Key("fxpond.state")
	keyProbe       = attribute.Key("fxpond.probe")
	keyListener    = attribute.Key("fxpond.listener.name")
)

// scrapePatience is how long a scrape waits for SQS and the database; then it tells what was known before.
const scrapePatience = time.Second

// newMeters makes the provider behind /metrics.
func (s *Server) newMeters() error {
	s.registry = prometheus.NewRegistry()
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	exporter, err := otelprom.New(otelprom.WithRegisterer(s.registry))
	if err != nil {
		return fmt.Errorf("ops: making the Prometheus exporter: %w", err)
	}
	s.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	s.gatherer = s.registry
	return nil
}

// MeterProvider feeds /metrics. Hand it to what you want to see there; under Fx, Module does so for an
// app without a provider of its own.
func (s *Server) MeterProvider() metric.MeterProvider { return s.provider }

// connectMeters decides what /metrics serves and begins to measure.
func (s *Server) connectMeters() error {
	meters := metric.MeterProvider(s.provider)
	if own := s.src.Meters; own != nil && own != meters {
		meters, s.gatherer = own, nil
	}
	switch theirs := s.src.Registry; {
	case theirs != nil && s.gatherer == nil:
		s.gatherer = theirs
	case theirs != nil:
		s.gatherer = beside{s.registry, theirs}
	}
	return s.measure(meters.Meter(scope))
}

// beside gathers ours and what theirs has more: both may have the Go runtime's.
type beside struct{ ours, theirs prometheus.Gatherer }

// Gather implements [prometheus.Gatherer].
func (b beside) Gather() ([]*dto.MetricFamily, error) {
	families, err := b.ours.Gather()
	known := make(map[string]bool, len(families))
	for _, f := range families {
		known[f.GetName()] = true
	}
	more, theirErr := b.theirs.Gather()
	for _, f := range more {
		if !known[f.GetName()] {
			families = append(families, f)
		}
	}
	return families, errors.Join(err, theirErr)
}

func (s *Server) measure(meter metric.Meter) error {
	var errs [5]error
	var depth, outbox, healthy, busy metric.Int64ObservableGauge
	var lag metric.Float64ObservableGauge
	depth, errs[0] = meter.Int64ObservableGauge(metricDepth, metric.WithUnit("{message}"), metric.WithDescription("Messages in the queue as SQS counts them, approximately, by state; dead_letter is its dead-letter queue."))
	outbox, errs[1] = meter.Int64ObservableGauge(metricOutboxEvents, metric.WithUnit("{event}"), metric.WithDescription("Events in the outbox, by state."))
	lag, errs[2] = meter.Float64ObservableGauge(metricOutboxLag, metric.WithUnit("s"), metric.WithDescription("Age of the oldest event that the outbox has not published."))
	healthy, errs[3] = meter.Int64ObservableGauge(metricHealth, metric.WithUnit("{app}"), metric.WithDescription("1 while the probe would succeed, else 0; probes of the app's own are as they last answered."))
	busy, errs[4] = meter.Int64ObservableGauge(metricListenersBusy, metric.WithUnit("{run}"), metric.WithDescription("Runs of the listener that have not ended."))
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("ops: making instruments: %w", err)
	}
	of := func(kvs ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(kvs...))
	}
	var err error
	s.registration, err = meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, scrapePatience)
		defer cancel()
		view := s.look.at(ctx)
		for queue, d := range view.depths {
			if d.err != nil {
				continue // a gap is true, an old figure is not
			}
			for state, n := range map[string]int{"visible": d.Visible, "in_flight": d.InFlight, "delayed": d.Delayed, "dead_letter": d.DeadLetters} {
				to.ObserveInt64(depth, int64(n), of(keySystem.String("aws_sqs"), keyDestination.String(queue), keyState.String(state)))
			}
		}
		if o := view.outbox; o != nil && o.err == nil {
			to.ObserveInt64(outbox, int64(o.Pending), of(keyState.String("pending")))
			to.ObserveInt64(outbox, int64(o.Parked), of(keyState.String("parked")))
			to.ObserveFloat64(lag, o.Lag.Seconds())
		}
		for _, kind := range []Kind{Liveness, Readiness} {
			n := int64(0)
			if s.verdict(kind).OK {
				n = 1
			}
			to.ObserveInt64(healthy, n, of(keyProbe.String(string(kind))))
		}
		for name, n := range s.runs.running() {
			to.ObserveInt64(busy, int64(n), of(keyListener.String(name)))
		}
		return nil
	}, depth, outbox, lag, healthy, busy)
	if err != nil {
		return fmt.Errorf("ops: registering metrics callback: %w", err)
	}
	return nil
}

func (s *Server) closeMeters(ctx context.Context) error {
	var err error
	if s.registration != nil {
		err = s.registration.Unregister()
	}
	return errors.Join(err, s.provider.Shutdown(ctx))
}

func (s *Server) serveMetrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.gatherer == nil {
			http.Error(w, "This app brings its own metric.MeterProvider, and ops knows no registry behind it.\nSupply its *prometheus.Registry to the app to serve it here.", http.StatusNotFound)
			return
		}
		promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError, // one bad metric must not hide the others
			ErrorLog:      zap.NewStdLog(s.log),
		}).ServeHTTP(w, r)
	})
}
