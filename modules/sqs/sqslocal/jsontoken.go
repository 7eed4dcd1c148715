package sqslocal

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads JSON tokens. Its grammar is encoding/json's; FuzzReadJSON holds it to that.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
}

func (r *jsonReader) fail(want string) error {
	if r.pos >= len(r.data) {
		return errSerialization(fmt.Sprintf("unexpected end of input, expected %s", want))
	}
	return errSerialization(fmt.Sprintf("unexpected character %q at byte %d, expected %s", r.data[r.pos], r.pos, want))
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end: no JSON token starts with 0.
func (r *jsonReader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

func (r *jsonReader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *jsonReader) list(item func() error) error {
	return r.sequence('[', ']', item)
}

func (r *jsonReader) object(member func(name string) error) error {
	return r.sequence('{', '}', func() error {
		if r.peek() != '"' {
			return r.fail("a member name")
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		if r.space(); !r.take(':') {
			return r.fail("a colon")
		}
		r.space()
		return member(name)
	})
}

func (r *jsonReader) sequence(begin, end byte, item func() error) error {
	if r.depth++; r.depth > maxJSONDepth {
		return errSerialization(fmt.Sprintf("nested deeper than %d levels", maxJSONDepth))
	}
	defer func() { r.depth-- }()
	r.take(begin)
	if r.space(); r.take(end) {
		return nil
	}
	for {
		r.space()
		if err := item(); err != nil {
			return err
		}
		r.space()
		if r.take(end) {
			return nil
		}
		if !r.take(',') {
			return r.fail("a comma or " + strconv.Quote(string(end)))
		}
	}
}

// skip passes over the value of an unknown member and still insists that it is JSON.
func (r *jsonReader) skip() error {
	switch c := r.peek(); {
	case c == '"':
		_, err := r.text()
		return err
	case c == '{':
		return r.object(func(string) error { return r.skip() })
	case c == '[':
		return r.list(r.skip)
	case c == 't':
		return r.word("true")
	case c == 'f':
		return r.word("false")
	case c == 'n':
		return r.word("null")
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.number()
		return err
	}
	return r.fail("a value")
}

func (r *jsonReader) word(w string) error {
	if len(r.data)-r.pos < len(w) || string(r.data[r.pos:r.pos+len(w)]) != w {
		return r.fail(w)
	}
	r.pos += len(w)
	return nil
}

// number returns the text of a number, held to JSON's grammar.
func (r *jsonReader) number() (string, error) {
	start := r.pos
	r.take('-')
	if !r.take('0') && !r.digits() {
		return "", r.fail("a digit")
	}
	if r.take('.') && !r.digits() {
		return "", r.fail("a digit")
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return "", r.fail("a digit")
		}
	}
	return string(r.data[start:r.pos]), nil
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.pos++
	}
	return r.pos > start
}

// text reads a string. The copy it returns does not keep the request's buffer alive.
func (r *jsonReader) text() (string, error) {
	r.pos++
	start := r.pos
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; {
		case c == '"':
			r.pos++
			return string(r.data[start : r.pos-1]), nil
		case c == '\\':
			return r.escaped(append([]byte(nil), r.data[start:r.pos]...))
		case c < ' ':
			return "", r.fail("no raw control character in a string")
		}
	}
	return "", r.fail("the end of a string")
}

func (r *jsonReader) escaped(out []byte) (string, error) {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			r.pos++
			return string(out), nil
		case c == '\\':
			r.pos++
			var err error
			if out, err = r.escape(out); err != nil {
				return "", err
			}
		case c < ' ':
			return "", r.fail("no raw control character in a string")
		default:
			out = append(out, c)
			r.pos++
		}
	}
	return "", r.fail("the end of a string")
}

func (r *jsonReader) escape(out []byte) ([]byte, error) {
	c := r.peek()
	r.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		first, err := r.hex4()
		if err != nil {
			return nil, err
		}
		if utf16.IsSurrogate(first) {
			if !r.take('\\') || !r.take('u') {
				return nil, errSerialization("a lone surrogate is not a character")
			}
			second, err := r.hex4()
			if err != nil {
				return nil, err
			}
			if first = utf16.DecodeRune(first, second); first == utf8.RuneError {
				return nil, errSerialization("a lone surrogate is not a character")
			}
		}
		return utf8.AppendRune(out, first), nil
	}
	r.pos--
	return nil, r.fail("an escape")
}

func (r *jsonReader) hex4() (rune, error) {
	if len(r.data)-r.pos < 4 {
		r.pos = len(r.data)
		return 0, r.fail("four hexadecimal digits")
	}
	n, err := strconv.ParseUint(string(r.data[r.pos:r.pos+4]), 16, 16)
	if err != nil {
		return 0, r.fail("four hexadecimal digits")
	}
	r.pos += 4
	return rune(n), nil
}
