package fxpond_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// A README's program must be a program, and each of its snippets a part of code that is compiled and run.
func TestReadmeCodeIsReal(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllSubmatch(readme, -1)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks of Go found", len(blocks))
	}
	tests, err := os.ReadFile("readme_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		code := string(block[1])
		if strings.HasPrefix(code, "package main") {
			compile(t, code)
		} else if !strings.Contains(unindent(string(tests)), unindent(code)) {
			t.Errorf("readme_example_test.go does not contain this code of the README:\n%s", code)
		}
	}
}

// compile builds a program as if it stood in a folder of this module, so that it sees its packages and
// dependencies.
func compile(t *testing.T, code string) {
	t.Helper()
	dir := t.TempDir()
	source, binary, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "program"), filepath.Join(dir, "overlay.json")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "readmeprogram", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{source: []byte(code), overlay: replace} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./readmeprogram").CombinedOutput()
	if err != nil {
		t.Errorf("the README's program does not compile: %v\n%s", err, out)
	}
}

func unindent(code string) string {
	var lines []string
	for line := range strings.Lines(code) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}
