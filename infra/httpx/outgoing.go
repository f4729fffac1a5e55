package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Outgoing says what an outgoing client may do.
type Outgoing struct {
	// Allow are networks that may be reached although they are private.
	Allow []netip.Prefix
	// Roots are certificate authorities beside the system's; nil for none.
	Roots *x509.CertPool
	// Timeout bounds a whole exchange; 0 for 30 seconds.
	Timeout time.Duration
	// MaxResponse bounds a response's body in bytes; 0 for 1 MiB.
	MaxResponse int64
	// Redirects is how many are followed.
	Redirects int
}

// ErrRefusedAddr says that an address must not be reached from here.
var ErrRefusedAddr = errors.New("the address is not a public one")

// ErrLongResponse says that a response was longer than allowed.
var ErrLongResponse = errors.New("the response is too long")

// Client makes a client for addresses that strangers name. It connects to public
// addresses only: what a name resolves to is checked when the connection is made, for
// each try and redirect, so names that change their address do not get around it. It
// uses no proxy and no cookies.
func (o Outgoing) Client() *http.Client {
	timeout, limit := o.Timeout, o.MaxResponse
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	if limit == 0 {
		limit = 1 << 20
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return o.check(address)
	}}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: timeout, IdleConnTimeout: 90 * time.Second,
		MaxIdleConns: 200, MaxIdleConnsPerHost: 4, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Timeout: timeout, Transport: limited{transport, limit}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > o.Redirects {
			return fmt.Errorf("more than %d redirects", o.Redirects)
		}
		if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return errors.New("a redirect leads away from https")
		}
		return nil
	}}
}

// special are networks that are not private by netip's word and still no place for
// requests of strangers.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// check refuses an address and port that are about to be connected to.
func (o Outgoing) check(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRefusedAddr, address)
	}
	ip := ap.Addr().Unmap().WithZone("")
	for _, p := range o.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	public := ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
	for _, p := range special {
		public = public && !p.Contains(ip)
	}
	if !public {
		return fmt.Errorf("%w: %s", ErrRefusedAddr, ip)
	}
	return nil
}

// limited bounds the bodies of responses.
type limited struct {
	next http.RoundTripper
	max  int64
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > l.max {
		resp.Body.Close()
		return nil, ErrLongResponse
	}
	resp.Body = &limitedBody{resp.Body, l.max}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, ErrLongResponse
	}
	return n, err
}
