package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/hanse-im/hanse/server/fault"
)

// Cost is what hashing a password with argon2id takes.
type Cost struct {
	// MemoryKiB is the memory in KiB, Passes the number of passes over it.
	MemoryKiB, Passes uint32
}

// DefaultCost is 19 MiB and two passes, on one thread: what OWASP recommends as the
// least. It takes about 25 ms on a small server.
var DefaultCost = Cost{MemoryKiB: 19 << 10, Passes: 2}

const (
	saltLength  = 16
	hashLength  = 32
	maxPassword = 1024 // bytes
)

var encoding = base64.RawStdEncoding

// hasher hashes passwords, a bounded number at a time: each takes its memory.
type hasher struct {
	cost Cost
	slot chan struct{}
	// nobody is the hash of no password, checked for users that do not exist so
	// that they take as long as others.
	nobody string
}

func newHasher(cost Cost, atOnce int) *hasher {
	h := &hasher{cost: cost, slot: make(chan struct{}, max(1, atOnce))}
	h.nobody = h.encode([]byte(rand.Text()))
	return h
}

func (h *hasher) encode(password []byte) string {
	salt := make([]byte, saltLength)
	rand.Read(salt)
	sum := argon2.IDKey(password, salt, h.cost.Passes, h.cost.MemoryKiB, 1, hashLength)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.cost.MemoryKiB, h.cost.Passes, encoding.EncodeToString(salt), encoding.EncodeToString(sum))
}

// wait takes a slot; the error is the context's.
func (h *hasher) wait(ctx context.Context) (func(), error) {
	select {
	case h.slot <- struct{}{}:
		return func() { <-h.slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash makes what is stored of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.wait(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return h.encode([]byte(password)), nil
}

// verify checks a password against what is stored; against nothing, it takes as long
// and fails. weak tells that it was hashed at another cost than today's.
func (h *hasher) verify(ctx context.Context, stored, password string) (ok, weak bool, err error) {
	done, err := h.wait(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	there := stored != ""
	if !there || len(password) > maxPassword {
		there, stored = false, h.nobody
		password = password[:min(len(password), maxPassword)]
	}
	cost, salt, want, ok := parseHash(stored)
	if !ok {
		return false, false, fmt.Errorf("a stored password is damaged")
	}
	got := argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, 1, uint32(len(want)))
	same := subtle.ConstantTimeCompare(got, want) == 1
	return same && there, cost != h.cost, nil
}

// parseHash reads what encode wrote, within bounds: a hash must not make the server
// work without end.
func parseHash(s string) (c Cost, salt, sum []byte, ok bool) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return Cost{}, nil, nil, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &c.MemoryKiB, &c.Passes); err != nil || c.MemoryKiB < 8 || c.MemoryKiB > 1<<20 || c.Passes < 1 || c.Passes > 100 {
		return Cost{}, nil, nil, false
	}
	salt, err := encoding.DecodeString(parts[4])
	if err != nil || len(salt) < 8 {
		return Cost{}, nil, nil, false
	}
	sum, err = encoding.DecodeString(parts[5])
	return c, salt, sum, err == nil && len(sum) >= 16 && len(sum) <= 64
}

// checkPassword refuses what cannot become a password.
func (a *Accounts) checkPassword(password string) error {
	switch {
	case password == "":
		return fault.New(fault.Invalid, "the password is empty").Coded("M_WEAK_PASSWORD")
	case len(password) > maxPassword:
		return fault.New(fault.Invalid, "the password is longer than %d bytes", maxPassword)
	case !utf8.ValidString(password):
		return fault.New(fault.Invalid, "the password is not valid UTF-8")
	case utf8.RuneCountInString(password) < a.cfg.MinPassword:
		return fault.New(fault.Invalid, "the password must have at least %d characters", a.cfg.MinPassword).Coded("M_WEAK_PASSWORD")
	}
	return nil
}
