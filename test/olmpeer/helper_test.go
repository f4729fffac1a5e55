package olmpeer

import (
	"encoding/json"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/hanse-im/hanse/e2ee/olm"
)

var (
	buildOnce sync.Once
	peerPath  string
	buildErr  error
	buildDir  string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// libolm starts a C peer for one test.
func libolm(t testing.TB) *Peer {
	t.Helper()
	buildOnce.Do(func() {
		// The program is shared by all tests, so it is in no test's directory.
		if buildDir, buildErr = os.MkdirTemp("", "olmpeer"); buildErr == nil {
			peerPath, buildErr = Build(buildDir)
		}
	})
	missing(t, buildErr)
	p, err := Start(peerPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// libolmJS starts a peer that runs @matrix-org/olm.
func libolmJS(t testing.TB) *Peer { return script(t, "olm.mjs") }

func script(t testing.TB, name string) *Peer {
	t.Helper()
	command, err := Script(name)
	missing(t, err)
	p, err := Start(command...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// libolms are the two builds of libolm, which take the same commands.
var libolms = map[string]func(testing.TB) *Peer{"C": libolm, "JavaScript": libolmJS}

// missing skips or fails the test if err says that a peer is missing.
func missing(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrMissing) && os.Getenv("HANSE_OLM_PEERS") != "required":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

func do(t testing.TB, p *Peer, command ...any) []string {
	t.Helper()
	out, err := p.Do(command...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func one(t testing.TB, p *Peer, command ...any) string {
	t.Helper()
	out := do(t, p, command...)
	if len(out) != 1 {
		t.Fatalf("%v answered %d fields", command[0], len(out))
	}
	return out[0]
}

func fromJSON(t testing.TB, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
}

type peerKeys struct{ Curve25519, Ed25519 string }

func identityOf(t testing.TB, p *Peer, slot int) (keys peerKeys) {
	t.Helper()
	fromJSON(t, one(t, p, "acc.id", slot), &keys)
	return keys
}

// oneTimeKey is an unpublished one-time key of the peer's account.
func oneTimeKey(t testing.TB, p *Peer, slot int) string {
	t.Helper()
	do(t, p, "acc.make", slot, 1)
	var keys struct{ Curve25519 map[string]string }
	fromJSON(t, one(t, p, "acc.otk", slot), &keys)
	do(t, p, "acc.publish", slot)
	for _, k := range keys.Curve25519 {
		return k
	}
	t.Fatal("no one-time key")
	return ""
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func curveKey(t testing.TB, text string) olm.Curve25519Key {
	t.Helper()
	return must[olm.Curve25519Key](t)(olm.ParseCurve25519Key(text))
}
