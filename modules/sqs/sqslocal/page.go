package sqslocal

import (
	"encoding/base64"
	"slices"
)

// maxPage is the largest page of a list, and its size when none is given.
const maxPage = 1000

// paginate returns one page of sorted names and the token of the next. A token is the last name before its page, so that
// queues that come and go in between shift nothing. Without a size there is one page and no token, as on AWS.
func paginate(sorted []string, size *int, token string) (page []string, next string, err error) {
	limit := maxPage
	if size != nil {
		limit = *size
		if limit < 1 || limit > maxPage {
			return nil, "", errParameter(limit, "MaxResults", "Must be an integer between 1 and 1000.")
		}
	}
	if token != "" {
		if size == nil {
			return nil, "", errInvalidParameter("MaxResults is a mandatory parameter when you provide a value for NextToken.")
		}
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", errInvalidParameter("Invalid or expired next token.")
		}
		at, found := slices.BinarySearch(sorted, string(last))
		if found {
			at++
		}
		sorted = sorted[at:]
	}
	if len(sorted) <= limit {
		return sorted, "", nil
	}
	page = sorted[:limit]
	if size != nil {
		next = base64.RawURLEncoding.EncodeToString([]byte(page[limit-1]))
	}
	return page, next, nil
}
