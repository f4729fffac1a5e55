package httpx

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
)

type requestID struct{}

// RequestID gives each request an ID of its own, which is told in the header
// X-Request-Id and kept in the context. What the client sends as one is not used:
// logs must not be forged.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := rand.Text()[:16]
		w.Header().Set("X-Request-Id", given)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestID{}, given)))
	})
}

// IDOf is the ID of the request that a context belongs to; empty for none.
func IDOf(ctx context.Context) string {
	given, _ := ctx.Value(requestID{}).(string)
	return given
}

// Recover turns a panic of a handler into a report, with the stack, and lets fail
// answer if nothing was answered yet.
func Recover(report func(ctx context.Context, problem string), fail, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			report(r.Context(), fmt.Sprintf("%s: panic: %v\n%s", r.Method, p, debug.Stack()))
			if rec.started {
				panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
			}
			fail.ServeHTTP(w, r)
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder knows whether an answer has begun.
type recorder struct {
	http.ResponseWriter
	started bool
}

func (w *recorder) WriteHeader(status int) {
	w.started = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is behind.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// CORS lets web pages of any origin call the server, and answers their preflight
// requests, which then reach no handler.
//
// Source: the headers that the Matrix Client-Server API recommends.
func CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ErrTooLarge says that a body is longer than allowed.
var ErrTooLarge = errors.New("the body is too long")

// ReadBody reads a request's body of at most limit bytes. A body that says that it is
// longer is not read at all.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return nil, ErrTooLarge
	}
	return body, err
}

// ClientAddr is the address that a request comes from. X-Forwarded-For counts only as
// far as those are trusted who added to it: it is read from its end, as long as the
// address before is a trusted proxy's.
func ClientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, _ := netip.ParseAddr(host)
	addr = addr.Unmap().WithZone("")
	isTrusted := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}
