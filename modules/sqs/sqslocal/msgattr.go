package sqslocal

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// attribute is a user's message attribute.
type attribute struct {
	name     string
	dataType string
	text     string // of String and Number
	binary   []byte // of Binary
}

func (a *attribute) isBinary() bool { return strings.HasPrefix(a.dataType, "Binary") }

// size counts as SQS does: name, data type and value.
func (a *attribute) size() int { return len(a.name) + len(a.dataType) + len(a.text) + len(a.binary) }

// attributesMD5 is the checksum of attributes sorted by name, in the form that the SDKs verify: each name, type and value
// with its length before it, and a byte that tells text (1) from binary (2).
func attributesMD5(sorted []attribute) string {
	sum := md5.New()
	var length [4]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint32(length[:], uint32(len(b)))
		_, _ = sum.Write(length[:])
		_, _ = sum.Write(b)
	}
	for i := range sorted {
		a := &sorted[i]
		write([]byte(a.name))
		write([]byte(a.dataType))
		if a.isBinary() {
			_, _ = sum.Write([]byte{2})
			write(a.binary)
		} else {
			_, _ = sum.Write([]byte{1})
			write([]byte(a.text))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

const (
	maxAttributes    = 10
	maxAttributeName = 256
)

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_.\-]+$`)
	numberValue   = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$`)
)

// parseAttributes checks a request's attributes against api:SendMessage and dg:sqs-message-metadata and returns them sorted.
func parseAttributes(in map[string]messageAttributeValue) ([]attribute, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > maxAttributes {
		return nil, errInvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(in), maxAttributes)
	}
	out := make([]attribute, 0, len(in))
	for name, value := range in {
		a, err := parseAttribute(name, value)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func parseAttribute(name string, v messageAttributeValue) (attribute, error) {
	if err := checkAttributeName(name); err != nil {
		return attribute{}, err
	}
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return attribute{}, errUnsupported("Message attribute list values in SendMessage operation are not supported.")
	}
	if v.DataType == "" {
		return attribute{}, errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute type.", name)
	}
	a := attribute{name: name, dataType: v.DataType, binary: v.BinaryValue}
	if v.StringValue != nil {
		a.text = *v.StringValue
	}
	base, _, _ := strings.Cut(v.DataType, ".")
	switch base {
	case "String", "Number":
		if a.text == "" || len(v.BinaryValue) > 0 {
			return a, errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute value for message attribute type '%s'.", name, v.DataType)
		}
		if !validText(a.text) {
			return a, errInvalidMessageContents()
		}
		if base == "Number" && !validNumber(a.text) {
			return a, errInvalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	case "Binary":
		if len(v.BinaryValue) == 0 || a.text != "" {
			return a, errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute value for message attribute type '%s'.", name, v.DataType)
		}
	default:
		return a, errInvalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if len(v.DataType) > maxAttributeName {
		return a, errInvalidParameter("Length of message attribute type must be less than %d bytes.", maxAttributeName+1)
	}
	return a, nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return errInvalidParameter("The request must contain non-empty message attribute names.")
	case len(name) > maxAttributeName:
		return errInvalidParameter("Length of message attribute name must be less than %d bytes.", maxAttributeName+1)
	case !attributeName.MatchString(name):
		return errInvalidParameter("The message attribute name '%s' contains invalid characters: only alphanumeric characters, underscores, hyphens and periods are allowed.", name)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return errInvalidParameter("Message (user) attribute name '%s' is reserved: it must not start with AWS. or Amazon.", name)
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return errInvalidParameter("The message attribute name '%s' must not start or end with a period or have periods in succession.", name)
	}
	return nil
}

// validNumber holds a Number to dg:sqs-message-metadata: a magnitude between 10^-128 and 10^+126, or zero.
func validNumber(text string) bool {
	if !numberValue.MatchString(text) {
		return false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	f = math.Abs(f)
	return f == 0 || f >= 1e-128 && f <= 1e126
}

// validText reports whether s has only the characters that SQS carries: XML 1.0's.
func validText(s string) bool {
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
		default:
			return false
		}
	}
	return true
}

// selector picks message attributes by the names of a ReceiveMessage request: All, .*, exact names and prefixes.
type selector struct {
	all      bool
	names    map[string]bool
	prefixes []string
}

func newSelector(names []string) selector {
	var s selector
	for _, name := range names {
		switch prefix, isPrefix := strings.CutSuffix(name, ".*"); {
		case name == "All" || name == ".*":
			s.all = true
		case isPrefix:
			s.prefixes = append(s.prefixes, prefix)
		default:
			if s.names == nil {
				s.names = map[string]bool{}
			}
			s.names[name] = true
		}
	}
	return s
}

func (s *selector) pick(from []attribute) []attribute {
	if s.all || len(from) == 0 {
		return from
	}
	var out []attribute
	for i := range from {
		a := &from[i]
		if s.names[a.name] || slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(a.name, p) }) {
			out = append(out, *a)
		}
	}
	return out
}
