package sqslocal

import "unicode/utf8"

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags holds tags to dg:sqs-limits.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return errInvalidParameter("Too many tags: a queue has at most %d.", maxTags)
	}
	for key, value := range tags {
		if n := utf8.RuneCountInString(key); n < 1 || n > maxTagKey {
			return errInvalidParameter("The tag key %q is not 1 to %d characters long.", key, maxTagKey)
		}
		if utf8.RuneCountInString(value) > maxTagValue {
			return errInvalidParameter("The value of tag %q is longer than %d characters.", key, maxTagValue)
		}
	}
	return nil
}

// permission is a statement that AddPermission has made. It is kept and told, not enforced: there is one account.
type permission struct {
	accounts, actions []string
}
