package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/events"
	"github.com/fxpond/fxpond/modules/goroutine"
	"github.com/fxpond/fxpond/modules/ops"
	"github.com/fxpond/fxpond/modules/repository"
	"github.com/fxpond/fxpond/modules/sqs"
	"github.com/fxpond/fxpond/modules/sqs/sqslocal"
)

const (
	manual    = "../../docs/operations.md"
	dashboard = "../../deploy/grafana/dashboard.json"
	alerts    = "../../deploy/prometheus/alerts.yml"
)

// registry is what a running app shows to Prometheus: labels by metric, ours with type and help.
type registry struct {
	families map[string]*dto.MetricFamily
}

// newRegistry lets an app have a life of every kind: messages handled, failed, set aside, published and
// not, an outbox, a pool that has grown.
func newRegistry(t *testing.T) registry {
	t.Helper()
	d := newDesk(t, ops.Config{}, consuming(), repository.Module, repository.OutboxTo[*sqs.Publisher](),
		fx.Replace(goroutine.Config{MaxWorkers: 0}),
		fx.Provide(events.AsListener(func() events.Listener {
			return Worked.Listener("worker", func(_ context.Context, e events.Event[work]) error {
				if e.Data.N == 0 {
					return events.Permanent(errors.New("no"))
				}
				return nil
			})
		})))
	d.Publish(Worked.New(work{N: 0}), Worked.New(work{N: 1}))
	d.WaitEmpty("work")
	must(t, d.SQS.SetFaults(sqslocal.Fault{Effect: sqslocal.PartialBatch, Action: "SendMessageBatch"}))
	if d.in.Publisher.Publish(t.Context(), Worked.New(work{N: 2})) == nil {
		t.Fatal("a send that always fails has succeeded")
	}
	must(t, d.SQS.SetFaults())
	must(t, d.in.Bus.Dispatch(t.Context(), events.NewTopic[work]("never.heard").New(work{})))
	grown := make(chan struct{})
	for range 500 {
		must(t, d.in.Pool.Go(t.Context(), func(context.Context) error { <-grown; return nil }))
	}
	eventually(t, "a pool that has grown", func() bool { return d.in.Pool.Stats().ScaleUps > 0 })
	close(grown)
	var r registry
	eventually(t, "the depth of the queue in the metrics", func() bool {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		var err error
		r.families, err = parser.TextToMetricFamilies(strings.NewReader(d.get("/metrics").body))
		must(t, err)
		return r.families["fxpond_sqs_queue_messages"] != nil && r.families["fxpond_outbox_events"] != nil
	})
	return r
}

// labels lists the labels that tell a metric's series apart. name may have a suffix of histograms.
func (r registry) labels(name string) (labels []string, known bool) {
	f := r.families[name]
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(name, suffix); f == nil && cut {
			f = r.families[base]
			labels = []string{"le"}
		}
	}
	if f == nil {
		return nil, false
	}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !strings.HasPrefix(l.GetName(), "otel_scope_") && !slices.Contains(labels, l.GetName()) {
				labels = append(labels, l.GetName())
			}
		}
	}
	slices.Sort(labels)
	return labels, true
}

func TestMetricsInTheManualTheDashboardAndTheAlertsExist(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	t.Run("manual", func(t *testing.T) { r.checkManual(t) })
	t.Run("dashboard", func(t *testing.T) {
		raw, err := os.ReadFile(dashboard)
		must(t, err)
		var board struct {
			Panels []struct {
				Title   string
				Type    string
				Targets []struct{ Expr string }
			}
			Templating struct {
				List []struct{ Definition string }
			}
		}
		must(t, json.Unmarshal(raw, &board))
		targets := 0
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				targets++
				if r.checkExpression(t, p.Title, target.Expr) == 0 {
					t.Errorf("panel %q shows no metric of ours: %s", p.Title, target.Expr)
				}
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("panel %q shows nothing", p.Title)
			}
		}
		for _, v := range board.Templating.List {
			r.checkExpression(t, "variable", v.Definition)
		}
		if targets < 20 {
			t.Errorf("%d targets were found in the dashboard: the test does not find them any more", targets)
		}
	})
	t.Run("alerts", func(t *testing.T) {
		raw, err := os.ReadFile(alerts)
		must(t, err)
		text, err := os.ReadFile(manual)
		must(t, err)
		names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(raw), -1)
		expressions := regexp.MustCompile(`(?m)^\s+expr: '(.*)'$`).FindAllStringSubmatch(string(raw), -1)
		if len(names) < 10 || len(names) != len(expressions) || strings.Count(string(raw), "expr:") != len(expressions) {
			t.Fatalf("%d alerts and %d expressions", len(names), len(expressions))
		}
		for i, name := range names {
			if r.checkExpression(t, name[1], expressions[i][1]) == 0 {
				t.Errorf("alert %s is about nothing", name[1])
			}
			if !strings.Contains(string(text), "\n### "+name[1]+"\n") {
				t.Errorf("the manual does not say what to do at %s", name[1])
			}
			if !strings.Contains(string(raw), "docs/operations.md#"+strings.ToLower(name[1])+"\n") {
				t.Errorf("alert %s does not link to the manual", name[1])
			}
		}
		if told := strings.Count(string(text), "\n### Fxpond"); told != len(names) {
			t.Errorf("the manual knows %d alerts, there are %d", told, len(names))
		}
	})
}

var (
	metricName = regexp.MustCompile(`\b((?:fxpond|messaging|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`([a-z_]+)(?:=~|!=|!~|=)`)
	grouping   = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// checkExpression looks for each metric and label of a query in the registry, and counts the metrics.
func (r registry) checkExpression(t *testing.T, where, expression string) (metrics int) {
	t.Helper()
	fromScrape := []string{"job", "instance"}
	allowed := slices.Clone(fromScrape)
	groups := grouping.FindAllStringSubmatch(expression, -1)
	bare := grouping.ReplaceAllString(expression, "")
	if inner, variable := strings.CutPrefix(bare, "label_values("); variable {
		metric, label, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
		bare, groups = metric, append(groups, []string{"", label})
	}
	for _, found := range metricName.FindAllStringSubmatch(bare, -1) {
		labels, known := r.labels(found[1])
		if !known {
			t.Errorf("%s: there is no metric %s", where, found[1])
			continue
		}
		metrics++
		allowed = append(allowed, labels...)
		for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(labels, m[1]) && !slices.Contains(fromScrape, m[1]) {
				t.Errorf("%s: %s has no label %s, it has %v", where, found[1], m[1], labels)
			}
		}
	}
	for _, g := range groups {
		for label := range strings.SplitSeq(g[1], ",") {
			if !slices.Contains(allowed, strings.TrimSpace(label)) {
				t.Errorf("%s: no metric of %s has a label %s", where, expression, label)
			}
		}
	}
	return metrics
}

// checkManual compares the manual's table with the registry.
func (r registry) checkManual(t *testing.T) {
	t.Helper()
	const begin, end = "writes it -->\n", "<!-- end of metrics -->"
	raw, err := os.ReadFile(manual)
	must(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the manual has no place for the table of metrics")
	}
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it tells |\n|---|---|---|---|\n")
	var names []string
	for name := range r.families {
		if strings.HasPrefix(name, "fxpond_") || strings.HasPrefix(name, "messaging_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f := r.families[name]
		labels, _ := r.labels(name)
		labels = slices.DeleteFunc(labels, func(l string) bool {
			return l == "messaging_system" || l == "messaging_operation_name" || l == "messaging_operation_type"
		})
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		must(t, os.WriteFile(manual, []byte(before+begin+b.String()+end+after), 0o600))
		return
	}
	if table != b.String() {
		t.Errorf("the metrics have changed: if that is meant, run with UPDATE_GOLDEN=1\n%s", difference(table, b.String()))
	}
}

func TestNoMessageCanAddALabel(t *testing.T) {
	t.Parallel()
	d := newDesk(t, ops.Config{}, consuming(sqs.Queue{Name: "work", NoListener: sqs.DeleteUnhandled}),
		fx.Provide(events.AsListener(func() events.Listener {
			return events.On("**", "audit", func(context.Context, events.Any) error { return nil })
		})))
	for i := range 50 {
		d.Publish(events.NewTopic[work](fmt.Sprintf("name.from.outside.x%d", i)).New(work{}, events.WithID(fmt.Sprint("id-from-outside-", i))))
	}
	d.WaitEmpty("work")
	a := do(d.s.Handler(), http.MethodGet, "/metrics", "")
	if strings.Contains(a.body, "from.outside") || strings.Contains(a.body, "from-outside") {
		t.Error("names of messages are in the metrics")
	}
	if !strings.Contains(a.body, `fxpond_event_name="_other"`) {
		t.Error("the events are not counted")
	}
}
