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
	routes []*route // by order, then name
	exact  map[string]match
	root   node
}

// match is what the router knows of an event name.
type match struct {
	// routes are by order and then listener name. They are shared: do not
	// change them.
	routes []*route
	// known says that a pattern spells the name out, which makes it valid and
	// fit to be a metric label.
	known bool
	// viewed is the first route that has a view, or nil; mixed says that others
	// have none or one of another type.
	viewed *route
	mixed  bool
}

func newMatch(routes []*route, known bool) match {
	m := match{routes: routes, known: known}
	for _, rt := range routes {
		if rt.view != nil {
			m.viewed = rt
			break
		}
	}
	for _, rt := range routes {
		m.mixed = m.mixed || rt.view == nil || rt.payload != m.viewed.payload
	}
	return m
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
		exact:  make(map[string]match),
	}
	for i, rt := range r.routes {
		r.root.add(rt.pattern, i)
	}
	for _, rt := range r.routes {
		if isExact(rt.pattern) && r.exact[rt.pattern].routes == nil {
			all := slices.DeleteFunc(r.walk(rt.pattern), func(rt *route) bool { return rt.fallback && !isExact(rt.pattern) })
			r.exact[rt.pattern] = newMatch(all, true)
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

func (r *router) match(name string) match {
	if m, known := r.exact[name]; known {
		return m
	}
	return newMatch(r.walk(name), false)
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
