package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameLength is the longest event name or pattern, in bytes.
const MaxNameLength = 255

const (
	anySegment = "*"
	anyTail    = "**"
)

// CheckName says whether name can be the name of an event: 1 to MaxNameLength
// bytes of printable UTF-8 in non-empty segments separated by dots, without
// wildcards. Spaces and backslashes are allowed because EventBridge and Laravel
// use them.
func CheckName(name string) error {
	if err := checkText(name); err != nil {
		return fmt.Errorf("event name %q: %w", clip(name), err)
	}
	if strings.Contains(name, anySegment) {
		return fmt.Errorf("event name %q: wildcards belong in patterns", name)
	}
	return nil
}

// CheckPattern says whether pattern can select events: a name in which "*" may
// stand for exactly one segment, and "**", as the last segment only, for one or
// more.
func CheckPattern(pattern string) error {
	if err := checkText(pattern); err != nil {
		return fmt.Errorf("pattern %q: %w", clip(pattern), err)
	}
	segments := strings.Split(pattern, ".")
	for i, segment := range segments {
		switch {
		case segment == anyTail && i < len(segments)-1:
			return fmt.Errorf(`pattern %q: "**" can only be the last segment`, pattern)
		case segment == anyTail || segment == anySegment:
		case strings.Contains(segment, anySegment):
			return fmt.Errorf(`pattern %q: "*" stands for a whole segment`, pattern)
		}
	}
	return nil
}

func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("empty")
	case len(s) > MaxNameLength:
		return fmt.Errorf("longer than %d bytes", MaxNameLength)
	case plain(s):
		return nil
	case !utf8.ValidString(s):
		return errors.New("not UTF-8")
	case s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, ".."):
		return errors.New("empty segment")
	case strings.IndexFunc(s, unprintable) >= 0:
		return errors.New("not printable")
	}
	return nil
}

// plain says that s is printable ASCII in non-empty segments, as nearly every name is.
func plain(s string) bool {
	last := byte('.')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || c == '.' && last == '.' {
			return false
		}
		last = c
	}
	return last != '.'
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// clip keeps what came from a message short in errors and logs.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// isExact tells whether a valid pattern selects one name only.
func isExact(pattern string) bool { return !strings.Contains(pattern, anySegment) }

// Match says whether a valid pattern selects a valid name. The bus does not ask it: its listeners are
// compiled into one router.
func Match(pattern, name string) bool {
	for {
		want, morePattern, deeper := strings.Cut(pattern, ".")
		have, moreName, left := strings.Cut(name, ".")
		switch {
		case want == anyTail:
			return true
		case want != anySegment && want != have:
			return false
		case deeper != left:
			return false
		case !deeper:
			return true
		}
		pattern, name = morePattern, moreName
	}
}
