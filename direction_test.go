package fxpond_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fxpond/fxpond/"

// Each package may depend on those of the layers before its own, and on nothing else of this module.
var layers = map[string][]string{
	"modules/goroutine":                  {},
	"modules/events":                     {"modules/goroutine"},
	"modules/events/eventstest":          {"modules/goroutine", "modules/events"},
	"modules/repository/internal/loop":   {},
	"modules/repository":                 {"modules/goroutine", "modules/events"},
	"modules/repository/postgres":        {"modules/goroutine", "modules/events", "modules/repository"},
	"modules/repository/mysql":           {"modules/goroutine", "modules/events", "modules/repository"},
	"modules/repository/internal/dbtest": {"modules/goroutine", "modules/events", "modules/repository", "modules/repository/postgres", "modules/repository/mysql"},
	"modules/jobs":                       {"modules/goroutine", "modules/events"},
	"modules/jobs/jobstest":              {"modules/goroutine", "modules/events", "modules/jobs"},
	"modules/repository/jobstore":        {"modules/goroutine", "modules/events", "modules/repository", "modules/jobs"},
	"modules/sqs":                        {"modules/goroutine", "modules/events"},
	"modules/sqs/sns":                    {"modules/goroutine", "modules/events", "modules/sqs"},
	"modules/sqs/eventbridge":            {"modules/goroutine", "modules/events", "modules/sqs"},
	"modules/sqs/s3":                     {"modules/goroutine", "modules/events", "modules/sqs"},
	"modules/ops":                        {"modules/goroutine", "modules/events", "modules/repository", "modules/sqs"},
	"modules/sqs/sqslocal":               {},
	"modules/sqs/sqslocal/conformance":   {"modules/sqs/sqslocal"},
	"modules/sqs/sqslocal/cmd/sqslocal":  {"modules/sqs/sqslocal"},
	"fxtest":                             {"modules/goroutine", "modules/events", "modules/sqs", "modules/sqs/sqslocal"},
	"cmd/example": {
		"modules/goroutine", "modules/events", "modules/sqs", "modules/sqs/sqslocal", "modules/repository", "modules/repository/postgres", "modules/repository/mysql",
		"modules/jobs", "modules/ops",
	},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Deps " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, deps, _ := strings.Cut(strings.TrimSpace(line), "|")
		name := strings.TrimPrefix(pkg, module)
		if pkg+"/" == module {
			continue
		}
		allowed, known := layers[name]
		if !known {
			t.Errorf("package %s has no place in the layers: add it here and to the folder list", name)
			continue
		}
		for dep := range strings.FieldsSeq(deps) {
			own, ok := strings.CutPrefix(dep, module)
			if !ok {
				continue
			}
			public, _, _ := strings.Cut(own, "/internal/") // what is internal belongs to it
			if public != name && !slices.Contains(allowed, public) {
				t.Errorf("%s depends on %s, which is not below it", name, own)
			}
		}
	}
}

// The core speaks to Fx in module.go alone, so everything works without Fx.
func TestOnlyModuleGoKnowsFx(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("grep", "-rl", "--include=*.go", `"go.uber.org/fx`, "modules").Output()
	if err != nil {
		t.Fatalf("grep: %v", err)
	}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		if !strings.HasSuffix(file, "/module.go") && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s imports Fx: move what needs it to module.go", file)
		}
	}
}
