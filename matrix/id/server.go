package id

import (
	"net/netip"
	"strconv"
	"strings"
)

// ParseServer checks a server name: a DNS name, an IPv4 address, or an IPv6
// address in brackets; then, if wanted, a colon and a port. It is at most 255
// bytes long. Digits and dots alone must be an IPv4 address.
//
// Spec: appendices#server-name
func ParseServer(s string) (Server, error) {
	if at, reason := checkServer(s); reason != "" {
		return "", bad("server name", s, at, reason)
	}
	return Server(s), nil
}

// checkServer is the place and reason at which s is no server name; the reason is
// empty if it is one.
func checkServer(s string) (at int, reason string) {
	switch {
	case s == "":
		return 0, "the server name is empty"
	case len(s) > MaxLength:
		return MaxLength, "the server name is longer than 255 bytes"
	}
	host, port, portAt := splitHost(s)
	if portAt >= 0 {
		if reason := checkPort(port); reason != "" {
			return portAt, reason
		}
	}
	if host == "" {
		return 0, "the host is empty"
	}
	if host[0] == '[' {
		if host[len(host)-1] != ']' || len(host) == 1 {
			return len(host), "an IPv6 address ends with ]"
		}
		ip, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return 1, "not an IPv6 address"
		}
		return 0, ""
	}
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return i, "a DNS name holds only letters, digits, - and ."
		}
	}
	if strings.Trim(host, "0123456789.") == "" && strings.Contains(host, ".") && !ipv4(host) {
		return 0, "not an IPv4 address"
	}
	return 0, ""
}

// ipv4 reports whether s is four numbers up to 255 with dots between them; as
// the grammar has it, also with leading zeros.
func ipv4(s string) bool {
	parts := 0
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || n > 255 || len(part) > 3 {
			return false
		}
		parts++
	}
	return parts == 4
}

func checkPort(port string) string {
	if len(port) == 0 || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return "a port is one to five digits"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "a port is between 1 and 65535"
	}
	return ""
}

// splitHost cuts a server name at the colon of its port; portAt is -1 without one.
func splitHost(s string) (host, port string, portAt int) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || strings.IndexByte(s[colon:], ']') >= 0 {
		return s, "", -1
	}
	return s[:colon], s[colon+1:], colon + 1
}

// Host is the server name without its port; brackets of an IPv6 address stay.
func (s Server) Host() string {
	host, _, _ := splitHost(string(s))
	return host
}

// Port is the port that the name tells; ok is false if it tells none.
func (s Server) Port() (port uint16, ok bool) {
	_, text, _ := splitHost(string(s))
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil
}

// Literal is the host's address if it is written as one; ok is false for a DNS
// name.
func (s Server) Literal() (ip netip.Addr, ok bool) {
	host := s.Host()
	if len(host) > 2 && host[0] == '[' {
		ip, err := netip.ParseAddr(host[1 : len(host)-1])
		return ip, err == nil
	}
	if !ipv4(host) {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, part := range strings.Split(host, ".") {
		n, _ := strconv.ParseUint(part, 10, 8) // ipv4 has checked it
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}
