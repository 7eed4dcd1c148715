package events

import (
	"errors"
	"fmt"
)

// scanner walks JSON text once: it checks the syntax as strictly as
// json.Valid, bounds the nesting, and hands out the spans of the top-level
// values without decoding them. It allocates nothing.
type scanner struct {
	text  []byte
	at    int
	depth int
	limit int
}

var (
	errSyntax  = errors.New("broken JSON")
	errNotUTF8 = errors.New("not UTF-8")
	errDepth   = errors.New("nested too deeply")
)

// scanObject calls field for each top-level member. Text that is valid JSON but
// not an object calls it never and reports object == false.
func scanObject(text []byte, maxDepth int, field func(key, value []byte)) (object bool, err error) {
	s := scanner{text: text, limit: maxDepth}
	s.space()
	if s.peek() != '{' {
		if err := s.value(); err != nil {
			return false, err
		}
		return false, s.end()
	}
	if err := s.object(field); err != nil {
		return false, err
	}
	return true, s.end()
}

// scanArray calls element for each top-level element.
func scanArray(text []byte, maxDepth int, element func(value []byte)) error {
	s := scanner{text: text, limit: maxDepth}
	s.space()
	if s.peek() != '[' {
		return s.broken()
	}
	if err := s.array(element); err != nil {
		return err
	}
	return s.end()
}

// end makes sure that nothing follows the value.
func (s *scanner) end() error {
	s.space()
	if s.at < len(s.text) {
		return s.broken()
	}
	return nil
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) broken() error {
	if s.at >= len(s.text) {
		return fmt.Errorf("%w: ends after %d bytes in the middle of a value", errSyntax, len(s.text))
	}
	return fmt.Errorf("%w at offset %d", errSyntax, s.at)
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array(nil)
	case c == '"':
		return s.string()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || isDigit(c):
		return s.number()
	}
	return s.broken()
}

func (s *scanner) enter() error {
	s.at++
	if s.depth++; s.depth > s.limit {
		return fmt.Errorf("%w: more than %d levels at offset %d", errDepth, s.limit, s.at-1)
	}
	s.space()
	return nil
}

func (s *scanner) leave() {
	s.at++
	s.depth--
}

func (s *scanner) object(field func(key, value []byte)) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		start := s.at
		if err := s.string(); err != nil {
			return err
		}
		key := s.text[start:s.at]
		s.space()
		if s.peek() != ':' {
			return s.broken()
		}
		s.at++
		s.space()
		start = s.at
		if err := s.value(); err != nil {
			return err
		}
		if field != nil {
			field(key, s.text[start:s.at])
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.leave()
			return nil
		default:
			return s.broken()
		}
	}
}

func (s *scanner) array(element func(value []byte)) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for {
		start := s.at
		if err := s.value(); err != nil {
			return err
		}
		if element != nil {
			element(s.text[start:s.at])
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.leave()
			return nil
		default:
			return s.broken()
		}
	}
}

func (s *scanner) string() error {
	if s.peek() != '"' {
		return s.broken()
	}
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.broken()
		}
	}
	return s.broken()
}

// escape leaves the scanner on the last byte of the escape.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.at++
			if !isHex(s.peek()) {
				return s.broken()
			}
		}
		return nil
	}
	return s.broken()
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.broken()
		}
		s.at++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.broken()
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return s.broken()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.broken()
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
