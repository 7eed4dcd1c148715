package events

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text returns the string that a scanned JSON value holds, and false for any
// other kind of value.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	return string(unquote(inner)), true
}

// textBytes is text without the copy that a string costs.
func textBytes(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return unquote(inner), true
}

// unquote resolves the escapes between the quotes of a scanned JSON string. It
// allocates once, and no more than the text is long: json.Unmarshal takes
// several times that, and whole messages come as strings.
func unquote(inner []byte) []byte {
	out := make([]byte, 0, len(inner))
	for {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 {
			return append(out, inner...)
		}
		out = append(out, inner[:i]...)
		c := inner[i+1]
		inner = inner[i+2:]
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hexRune(inner)
			inner = inner[4:]
			if utf16.IsSurrogate(r) {
				// Half of a pair without the other half is not a character.
				if pair := utf16.DecodeRune(r, escapedRune(inner)); pair != utf8.RuneError {
					r, inner = pair, inner[6:]
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default: // quote, backslash, slash
			out = append(out, c)
		}
	}
}

// escapedRune returns the rune of a \uXXXX that s begins with, or -1.
func escapedRune(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	return hexRune(s[2:])
}

// hexRune needs four hexadecimal digits, which scanning has seen to.
func hexRune(s []byte) rune {
	n, err := strconv.ParseUint(string(s[:4]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
