// Package httpx is the machinery around HTTP that knows nothing of Matrix: a router
// for paths with encoded slashes, limits, request IDs, rate limits, the caller's
// address behind proxies, and an outgoing client that cannot be turned against the
// own network.
//
// It logs only through what it is given and starts no goroutine.
//
//	router := httpx.NewRouter(notFound)
//	router.Handle("GET", "/rooms/{roomId}/event/{eventId}", getEvent) // r.PathValue("roomId")
//	handler := httpx.RequestID(httpx.Recover(report, httpx.CORS(router)))
package httpx

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Router finds the handler for a method and a path. Paths are matched segment by
// segment before they are decoded, so a parameter may hold encoded slashes; its
// decoded value is the request's PathValue. A segment that is written out counts
// more than a parameter. Add all routes before the first request; then it is safe
// for concurrent use.
type Router struct {
	root     node
	notFound http.Handler
}

type node struct {
	fixed    map[string]*node
	param    *node
	empty    bool // the parameter may be empty
	handlers map[string]route
}

type route struct {
	handler http.Handler
	names   []string
}

// maxSegments bounds the work for one path.
const maxSegments = 32

// NewRouter is a router without routes. notFound answers requests to no route; those
// to a route with another method it gets with the header Allow set, which it can tell
// them by.
func NewRouter(notFound http.Handler) *Router {
	return &Router{notFound: notFound}
}

// Handle adds a route. In the pattern, {name} stands for one segment that is not
// empty, {name?} for one that may be. It panics if the pattern is malformed or there
// already: routes are the program's own.
func (t *Router) Handle(method, pattern string, handler http.Handler) {
	segments := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if !strings.HasPrefix(pattern, "/") || len(segments) > maxSegments {
		panic(fmt.Sprintf("httpx: pattern %q", pattern))
	}
	n := &t.root
	var names []string
	for _, s := range segments {
		name, isParam := strings.CutPrefix(s, "{")
		if !isParam {
			if n.fixed == nil {
				n.fixed = map[string]*node{}
			}
			if n.fixed[s] == nil {
				n.fixed[s] = &node{}
			}
			n = n.fixed[s]
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, empty := strings.CutSuffix(name, "?")
		if !closed || name == "" || slices.Contains(names, name) {
			panic(fmt.Sprintf("httpx: pattern %q", pattern))
		}
		names = append(names, name)
		if n.param == nil {
			n.param = &node{}
		}
		n.empty = n.empty || empty
		n = n.param
	}
	if n.handlers == nil {
		n.handlers = map[string]route{}
	}
	if _, twice := n.handlers[method]; twice {
		panic(fmt.Sprintf("httpx: %s %s is there twice", method, pattern))
	}
	n.handlers[method] = route{handler, names}
}

// ServeHTTP implements http.Handler.
func (t *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if strings.Count(path, "/") >= maxSegments {
		t.notFound.ServeHTTP(w, r)
		return
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			t.notFound.ServeHTTP(w, r)
			return
		}
		segments[i] = plain
	}
	var values [maxSegments]string
	n, count := t.root.find(segments, values[:0])
	if n == nil {
		t.notFound.ServeHTTP(w, r)
		return
	}
	found, ok := n.handlers[r.Method]
	if !ok && r.Method == http.MethodHead {
		found, ok = n.handlers[http.MethodGet]
	}
	if !ok {
		methods := make([]string, 0, len(n.handlers))
		for m := range n.handlers {
			methods = append(methods, m)
		}
		slices.Sort(methods)
		w.Header().Set("Allow", strings.Join(methods, ", "))
		t.notFound.ServeHTTP(w, r)
		return
	}
	for i, name := range found.names {
		r.SetPathValue(name, count[i])
	}
	found.handler.ServeHTTP(w, r)
}

// find walks down the segments; where what is written out leads nowhere, it tries
// the parameter. Depth and breadth are bounded by the routes.
func (n *node) find(segments, values []string) (*node, []string) {
	if len(segments) == 0 {
		if n.handlers == nil {
			return nil, nil
		}
		return n, values
	}
	if next := n.fixed[segments[0]]; next != nil {
		if found, v := next.find(segments[1:], values); found != nil {
			return found, v
		}
	}
	if n.param == nil || (segments[0] == "" && !n.empty) {
		return nil, nil
	}
	return n.param.find(segments[1:], append(values, segments[0]))
}
