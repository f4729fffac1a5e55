package httpx_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hanse-im/hanse/infra/httpx"
)

var notFound = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if w.Header().Get("Allow") != "" {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.WriteHeader(http.StatusNotFound)
})

func newRouter() *httpx.Router {
	t := httpx.NewRouter(notFound)
	for _, route := range []string{
		"GET /versions", "GET /rooms/{room}/state", "GET /rooms/{room}/state/{type}", "GET /rooms/{room}/state/{type}/{key?}", "PUT /rooms/{room}/state/{type}/{key?}",
		"GET /rooms/{room}/{what}", "GET /pushrules/", "GET /pushrules/{scope}/{kind}", "GET /rooms/fixed/state", "GET /", "DELETE /a/{x}/c", "GET /a/b/{y}",
	} {
		method, pattern, _ := strings.Cut(route, " ")
		t.Handle(method, pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, route)
			for _, name := range []string{"room", "type", "key", "what", "scope", "kind", "x", "y"} {
				if v := r.PathValue(name); v != "" {
					fmt.Fprintf(w, " %s=%s", name, v)
				}
			}
		}))
	}
	return t
}

func TestRouter(t *testing.T) {
	t.Parallel()
	router := newRouter()
	for _, c := range []struct {
		request, want string
		status        int
	}{
		{"GET /versions", "GET /versions", 200},
		{"HEAD /versions", "GET /versions", 200},
		{"GET /%76ersions", "GET /versions", 200},
		{"GET /versions/", "", 404},
		{"GET //versions", "", 404},
		{"POST /versions", "", 405},
		{"GET /rooms/!a:b/state", "GET /rooms/{room}/state room=!a:b", 200},
		{"GET /rooms/%21a%2Fb%3Ac/state", "GET /rooms/{room}/state room=!a/b:c", 200},
		{"GET /rooms/fixed/state", "GET /rooms/fixed/state", 200},
		{"GET /rooms/fixed/other", "GET /rooms/{room}/{what} room=fixed what=other", 200},
		{"GET /rooms/r/state/m.x", "GET /rooms/{room}/state/{type} room=r type=m.x", 200},
		{"GET /rooms/r/state/m.x/", "GET /rooms/{room}/state/{type}/{key?} room=r type=m.x", 200},
		{"PUT /rooms/r/state/m.x/k", "PUT /rooms/{room}/state/{type}/{key?} room=r type=m.x key=k", 200},
		{"GET /rooms//state", "", 404},
		{"GET /rooms/r/%2F", "GET /rooms/{room}/{what} room=r what=/", 200},
		{"GET /rooms/../versions", "GET /rooms/{room}/{what} room=.. what=versions", 200},
		{"GET /rooms/a%00b/state", "GET /rooms/{room}/state room=a\x00b", 200},
		{"GET /pushrules/", "GET /pushrules/", 200},
		{"GET /pushrules", "", 404},
		{"GET /pushrules/global/override", "GET /pushrules/{scope}/{kind} scope=global kind=override", 200},
		{"GET /", "GET /", 200},
		{"DELETE /a/b/c", "", 405},
		{"GET /a/b/c", "GET /a/b/{y} y=c", 200},
		{"DELETE /a/z/c", "DELETE /a/{x}/c x=z", 200},
		{"GET /" + strings.Repeat("x/", 50), "", 404},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != c.status || w.Body.String() != c.want && method != "HEAD" {
			t.Errorf("%s: %d %q, want %d %q", c.request, w.Code, w.Body, c.status, c.want)
		}
		if w.Code == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s: no Allow", c.request)
		}
	}
	for _, bad := range []string{"", "x", "/{", "/{}", "/{a}/{a}", "/versions", "/" + strings.Repeat("x/", 40)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("pattern %q was taken", bad)
				}
			}()
			router.Handle("GET", bad, notFound)
		}()
	}
}

func FuzzRouter(f *testing.F) {
	router := newRouter()
	for _, p := range []string{"/versions", "/rooms/!a:b/state/x/", "/rooms/%2F/%zz", "//", "/a/b/c"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, err := http.NewRequest("GET", "http://x/", nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := r.URL.Parse("/" + path)
		if err != nil {
			return
		}
		r.URL = u
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 404 && w.Code != 405 {
			t.Fatalf("%q: %d", path, w.Code)
		}
	})
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	var inside string
	h := httpx.RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = httpx.IDOf(r.Context()) }))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "forged")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("X-Request-Id"); got != inside || len(got) != 16 || got == "forged" {
		t.Errorf("%q and %q", got, inside)
	}
	if httpx.IDOf(context.Background()) != "" {
		t.Error("an ID without a request")
	}
}

func TestRecover(t *testing.T) {
	t.Parallel()
	fail := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for name, c := range map[string]struct {
		handler func(http.ResponseWriter)
		status  int
		aborts  bool
		reports bool
	}{
		"all is well":           {func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, false, false},
		"panic before":          {func(http.ResponseWriter) { panic("secret") }, 500, false, true},
		"panic after the start": {func(w http.ResponseWriter) { fmt.Fprint(w, "half"); panic("x") }, 200, true, true},
		"abort":                 {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 200, true, false},
	} {
		reported := ""
		h := httpx.Recover(func(_ context.Context, p string) { reported = p }, fail, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.handler(w) }))
		w := httptest.NewRecorder()
		aborted := func() (aborted bool) {
			defer func() { aborted = recover() == http.ErrAbortHandler }()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return false
		}()
		if w.Code != c.status || aborted != c.aborts || (reported != "") != c.reports || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d, aborted %v, reported %.30q", name, w.Code, aborted, reported)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	reached := 0
	h := httpx.CORS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	for _, method := range []string{"OPTIONS", "GET"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("%s: %v", method, w.Header())
		}
	}
	if reached != 1 {
		t.Errorf("%d requests reached the handler", reached)
	}
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		want   error
	}{
		"fits":                  {strings.NewReader("12345"), 5, nil},
		"says it is too long":   {strings.NewReader("123456"), 6, httpx.ErrTooLarge},
		"does not say its size": {io.MultiReader(strings.NewReader("123456")), -1, httpx.ErrTooLarge},
		"fits without its size": {io.MultiReader(strings.NewReader("12345")), -1, nil},
		"breaks off":            {io.MultiReader(strings.NewReader("12"), failing{}), -1, io.ErrUnexpectedEOF},
	} {
		r := httptest.NewRequest("POST", "/", c.body)
		r.ContentLength = c.length
		body, err := httpx.ReadBody(httptest.NewRecorder(), r, 5)
		if !errors.Is(err, c.want) || (err == nil && string(body) != "12345") {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestClientAddr(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"192.0.2.1:80", "198.51.100.7", "192.0.2.1"},
		{"10.1.1.1:80", "198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:80", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:80", "203.0.113.9, 10.2.2.2", "203.0.113.9"},
		{"10.1.1.1:80", "203.0.113.9, nonsense", "10.1.1.1"},
		{"10.1.1.1:80", "", "10.1.1.1"},
		{"[::1]:80", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:10.1.1.1]:80", "198.51.100.7", "198.51.100.7"},
		{"[fe80::1%eth0]:80", "", "fe80::1"},
		{"10.1.1.1", "", "10.1.1.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := httpx.ClientAddr(r, trusted); got.String() != c.want {
			t.Errorf("%s behind %q: %s, want %s", c.forwarded, c.remote, got, c.want)
		}
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := httpx.NewLimiter(2, 3, 2, func() time.Time { return now })
	take := func(key string) string {
		ok, after := l.Allow(key)
		return fmt.Sprint(ok, after)
	}
	for i, want := range []string{"true 0s", "true 0s", "true 0s", "false 500ms", "false 500ms"} {
		if got := take("a"); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	now = now.Add(500 * time.Millisecond)
	if got := take("a") + take("a"); got != "true 0sfalse 500ms" {
		t.Error(got)
	}
	now = now.Add(-time.Hour) // clocks go back
	if got := take("a"); got != "false 500ms" {
		t.Error(got)
	}
	take("b")
	take("c") // a is forgotten
	if got := take("a"); got != "true 0s" {
		t.Error(got)
	}
	now = now.Add(time.Hour)
	for range 3 {
		take("a")
	}
	if ok, _ := l.Allow("a"); ok {
		t.Error("more than the burst after a long time")
	}
}

// The outgoing client reaches what it may and nothing else.
func TestOutgoing(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("x"), 3000)
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			w.Write(long)
		case "/stream":
			for range 30 {
				w.Write(long[:100])
				http.NewResponseController(w).Flush()
			}
		case "/redirect":
			http.Redirect(w, r, s.URL+"/ok", http.StatusFound)
		case "/twice":
			http.Redirect(w, r, s.URL+"/redirect", http.StatusFound)
		case "/downgrade":
			http.Redirect(w, r, "http://"+r.Host+"/ok", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			fmt.Fprint(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	get := func(o httpx.Outgoing, url string) (string, error) {
		resp, err := o.Client().Get(url)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	all := httpx.Outgoing{Allow: loopback, Roots: roots, MaxResponse: 2000, Redirects: 1, Timeout: 2 * time.Second}
	for path, want := range map[string]error{"/ok": nil, "/redirect": nil, "/long": httpx.ErrLongResponse, "/stream": httpx.ErrLongResponse} {
		body, err := get(all, s.URL+path)
		if !errors.Is(err, want) || (want == nil && body != "ok") {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
	for path, want := range map[string]string{"/twice": "more than 1 redirects", "/downgrade": "away from https", "/slow": ""} {
		o := all
		if path == "/slow" {
			o.Timeout = 50 * time.Millisecond
		}
		_, err := get(o, s.URL+path)
		var failed *url.Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), want) || failed.Timeout() != (path == "/slow") {
			t.Errorf("%s: %v", path, err)
		}
	}
	closed := all
	closed.Allow = nil
	if _, err := get(closed, s.URL+"/ok"); !errors.Is(err, httpx.ErrRefusedAddr) {
		t.Errorf("loopback: %v", err)
	}
	strange := all
	strange.Roots = x509.NewCertPool()
	if _, err := get(strange, s.URL+"/ok"); err == nil {
		t.Error("an unknown certificate authority was trusted")
	}
	for _, host := range []string{"localhost:1", "[::1]:1", "10.0.0.1:1", "192.168.1.1:1", "172.16.0.1:1", "169.254.169.254:1", "100.64.0.1:1", "0.0.0.0:1", "[::]:1", "[fe80::1]:1", "[fc00::1]:1",
		"[::ffff:127.0.0.1]:1", "[64:ff9b::7f00:1]:1", "[2002:7f00:1::]:1", "255.255.255.255:1", "224.0.0.1:1", "198.18.0.1:1"} {
		if _, err := get(closed, "http://"+host+"/"); !errors.Is(err, httpx.ErrRefusedAddr) {
			t.Errorf("%s: %v", host, err)
		}
	}
}
