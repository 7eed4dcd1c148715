package mysql

import (
	"fmt"
	"strings"
)

// split cuts a text into its statements, as the command-line client does: at semicolons outside of quotes
// and comments, or at what a DELIMITER line names.
func split(text string) ([]string, error) {
	s := splitter{rest: text, delimiter: ";"}
	for s.rest != "" {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.statements, nil
}

type splitter struct {
	rest       string
	delimiter  string
	statements []string
	statement  strings.Builder
	says       bool // the statement is more than blanks and comments
}

// next takes one token from the rest.
func (s *splitter) next() error {
	switch c := s.rest[0]; {
	case !s.says && len(s.rest) > 10 && strings.EqualFold(s.rest[:9], "DELIMITER") && strings.ContainsRune(" \t", rune(s.rest[9])):
		line, _, _ := strings.Cut(s.rest, "\n")
		s.rest = s.rest[len(line):]
		s.statement.Reset()
		if s.delimiter = strings.TrimSpace(line[9:]); s.delimiter == "" {
			return fmt.Errorf("a DELIMITER line names no delimiter")
		}
	case strings.HasPrefix(s.rest, s.delimiter):
		s.rest = s.rest[len(s.delimiter):]
		s.end()
	case c == '\'', c == '"', c == '`':
		s.says = true
		return s.quoted(c)
	case c == '#', strings.HasPrefix(s.rest, "--") && (len(s.rest) == 2 || s.rest[2] <= ' '):
		line, _, _ := strings.Cut(s.rest, "\n")
		s.take(len(line))
	case strings.HasPrefix(s.rest, "/*"):
		end := strings.Index(s.rest[2:], "*/")
		if end < 0 {
			return fmt.Errorf("a comment does not end: %s", clip(s.rest))
		}
		s.says = s.says || strings.HasPrefix(s.rest, "/*!") || strings.HasPrefix(s.rest, "/*M!") // the server reads those
		s.take(end + 4)
	default:
		s.says = s.says || c > ' '
		s.take(1)
	}
	return nil
}

// quoted takes what stands in quotes; doubled quotes are two of these.
func (s *splitter) quoted(quote byte) error {
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case quote:
			s.take(i + 1)
			return nil
		case '\\':
			if quote != '`' {
				i++
			}
		}
	}
	return fmt.Errorf("a quote does not end: %s", clip(s.rest))
}

func (s *splitter) take(n int) {
	s.statement.WriteString(s.rest[:n])
	s.rest = s.rest[n:]
}

func (s *splitter) end() {
	if s.says {
		s.statements = append(s.statements, strings.TrimSpace(s.statement.String()))
	}
	s.statement.Reset()
	s.says = false
}

func clip(text string) string {
	if len(text) > 40 {
		return text[:40] + "..."
	}
	return text
}
