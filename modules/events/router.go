package events

import (
	"cmp"
	"slices"
	"strings"
)

// router finds the routes of an event name. It is compiled once and read only
// afterwards. Names that some pattern spells out are answered from a map; all
// others walk a trie of segments, so that the number of patterns does not
// matter. Nothing is cached per event name: names come from messages.
type router struct {
	exact map[string][]*route
	root  node
}

// node is one segment deep in the trie.
type node struct {
	next map[string]*node
	star *node    // "*"
	ends []*route // patterns that end here
	tail []*route // patterns that end in "**" below here
}

// newRouter compiles routes whose patterns are valid.
func newRouter(routes []*route) *router {
	r := &router{exact: make(map[string][]*route)}
	for _, rt := range routes {
		r.root.add(rt.pattern, rt)
	}
	for _, rt := range routes {
		if isExact(rt.pattern) && r.exact[rt.pattern] == nil {
			r.exact[rt.pattern] = slices.DeleteFunc(r.walk(rt.pattern), func(rt *route) bool {
				return rt.fallback && !isExact(rt.pattern)
			})
		}
	}
	return r
}

func (n *node) add(pattern string, rt *route) {
	for segment := range strings.SplitSeq(pattern, ".") {
		switch segment {
		case anyTail:
			n.tail = append(n.tail, rt)
			return
		case anySegment:
			if n.star == nil {
				n.star = new(node)
			}
			n = n.star
		default:
			child := n.next[segment]
			if child == nil {
				if n.next == nil {
					n.next = make(map[string]*node)
				}
				child = new(node)
				n.next[segment] = child
			}
			n = child
		}
	}
	n.ends = append(n.ends, rt)
}

// match returns the routes for an event name, by order and then listener name.
// known says that a pattern spells the name out, which makes it valid and fit
// to be a metric label. The result is shared: do not change it.
func (r *router) match(name string) (routes []*route, known bool) {
	if routes, known = r.exact[name]; known {
		return routes, true
	}
	return r.walk(name), false
}

func (r *router) walk(name string) []*route {
	found := r.root.collect(name, nil)
	slices.SortFunc(found, byOrderThenName)
	return found
}

// collect descends with the rest of a name. Each node is met at most once per
// name, and only along the literal and the "*" branch.
func (n *node) collect(rest string, found []*route) []*route {
	found = append(found, n.tail...)
	segment, rest, more := strings.Cut(rest, ".")
	for _, child := range [...]*node{n.next[segment], n.star} {
		switch {
		case child == nil:
		case more:
			found = child.collect(rest, found)
		default:
			found = append(found, child.ends...)
		}
	}
	return found
}

func byOrderThenName(a, b *route) int {
	return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.name, b.name))
}
