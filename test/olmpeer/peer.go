// Package olmpeer tests e2ee/olm against the libraries of others: libolm, by a
// small C program that this package builds and drives over its standard
// input, and, by Node scripts, the npm packages @matrix-org/olm and
// @matrix-org/matrix-sdk-crypto-wasm, which hold libolm and vodozemac.
//
// setup.sh installs what the tests need. A test whose peer is missing is
// skipped with the name of what is missing, or fails if HANSE_OLM_PEERS is
// "required", as it is in continuous integration.
package olmpeer

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// ErrMissing tells that a peer is not installed.
var ErrMissing = errors.New("peer not installed (run test/olmpeer/setup.sh)")

// Dir is the directory of this package, where the peers' sources are.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Build compiles the C peer into dir and returns its path. The error is
// ErrMissing, with what is missing, if there is no compiler or no libolm.
func Build(dir string) (string, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	path, err := exec.LookPath(cc)
	if err != nil {
		return "", fmt.Errorf("%w: no C compiler %q", ErrMissing, cc)
	}
	probe := exec.Command(path, "-E", "-x", "c", "-")
	probe.Stdin = strings.NewReader("#include <olm/olm.h>\n")
	if probe.Run() != nil {
		return "", fmt.Errorf("%w: no header olm/olm.h (libolm-dev)", ErrMissing)
	}
	out := filepath.Join(dir, "peer")
	cmd := exec.Command(path, "-O2", "-Wall", "-o", out, "peer.c", "bench.c", "-lolm")
	cmd.Dir = filepath.Join(Dir(), "libolm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the peer: %w\n%s", err, text)
	}
	return out, nil
}

// Peer is a running peer. It is safe for concurrent use; slots are the
// caller's to share out.
type Peer struct {
	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Script finds a Node script of this package and returns how to run it. The
// error is ErrMissing, with what is missing, if there is no Node or no package.
func Script(name string) ([]string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: no node", ErrMissing)
	}
	dir := filepath.Join(Dir(), "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@matrix-org")); err != nil {
		return nil, fmt.Errorf("%w: no npm packages in test/olmpeer/node", ErrMissing)
	}
	return []string{node, filepath.Join(dir, name)}, nil
}

// Start runs a program with its arguments.
func Start(command ...string) (*Peer, error) {
	p := &Peer{cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, p.cmd.Start()
}

// RefusedError is the peer's answer that its library refused a call.
type RefusedError struct{ Command, Code string }

// Error implements error.
func (e *RefusedError) Error() string { return "libolm " + e.Command + ": " + e.Code }

// Do sends a command and returns the fields of the answer.
func (p *Peer) Do(command ...any) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintln(p.in, command...); err != nil {
		return nil, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("peer ended at %v: %w", command[0], err)
	}
	fields := strings.Fields(line)
	if len(fields) > 0 && fields[0] == "ok" {
		return fields[1:], nil
	}
	return nil, &RefusedError{Command: fmt.Sprint(command[0]), Code: strings.TrimSpace(strings.TrimPrefix(line, "err "))}
}

// Close ends the peer.
func (p *Peer) Close() error {
	p.in.Close()
	return p.cmd.Wait()
}

// Hex encodes an argument; the peer's own plaintexts come back with an x in
// front, so that an empty one is a field too.
func Hex(b []byte) string {
	if len(b) == 0 {
		return "0"
	}
	return hex.EncodeToString(b)
}

// Unhex decodes a plaintext of the peer.
func Unhex(field string) ([]byte, error) { return hex.DecodeString(strings.TrimPrefix(field, "x")) }
