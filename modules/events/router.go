package events

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// router finds the routes of an event name. It is compiled once and read only
// afterwards. Names that some pattern spells out are answered from a map; all
// others walk a trie of segments, so that the number of patterns does not
// matter. Nothing is cached per event name: names come from messages.
type router struct {
	routes []*route // by order, then name
	exact  map[string]*knownName
	root   node
}

// knownName is an event name that some pattern spells out, which makes it valid and
// fit to be a metric label.
type knownName struct {
	routes []*route
	views  bool      // some of them have one
	runs   sync.Pool // of *run, bound to them
}

// node is one segment deep in the trie.
type node struct {
	next map[string]*node
	star *node // "*"
	ends []int // routes whose patterns end here
	tail []int // routes whose patterns end in "**" below here
}

// newRouter compiles routes whose patterns are valid.
func newRouter(routes []*route) *router {
	r := &router{
		routes: slices.SortedStableFunc(slices.Values(routes), byOrderThenName),
		exact:  make(map[string]*knownName),
	}
	for i, rt := range r.routes {
		r.root.add(rt.pattern, i)
	}
	for _, rt := range r.routes {
		if isExact(rt.pattern) && r.exact[rt.pattern] == nil {
			k := &knownName{routes: r.walk(rt.pattern)}
			k.views = slices.ContainsFunc(k.routes, func(rt *route) bool { return rt.view != nil })
			r.exact[rt.pattern] = k
		}
	}
	return r
}

func (n *node) add(pattern string, route int) {
	for segment := range strings.SplitSeq(pattern, ".") {
		switch segment {
		case anyTail:
			n.tail = append(n.tail, route)
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
	n.ends = append(n.ends, route)
}

// match returns the routes for an event name, by order and then listener name,
// and what is known of the name, or nil. Both are shared: do not change them.
func (r *router) match(name string) ([]*route, *knownName) {
	if k := r.exact[name]; k != nil {
		return k.routes, k
	}
	return r.walk(name), nil
}

func (r *router) walk(name string) []*route {
	var room [16]int
	found := r.root.collect(name, room[:0])
	if len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	routes := make([]*route, len(found))
	for i, at := range found {
		routes[i] = r.routes[at]
	}
	return routes
}

// collect descends with the rest of a name. Each node is met at most once per
// name, and only along the literal and the "*" branch.
func (n *node) collect(rest string, found []int) []int {
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
	if a.order != b.order {
		return cmp.Compare(a.order, b.order)
	}
	return strings.Compare(a.name, b.name)
}
