package olm

import "testing"

// settled is a session that both sides have used.
func settled(t testing.TB) (a, b *Session) {
	a, b = pair(t, V1)
	wantPlain(t, a, encrypt(t, b, "x"), "x")
	return a, b
}

// TestAllocations holds the number of allocations of a message in the middle
// of a chain, base64 included, to three.
func TestAllocations(t *testing.T) {
	a, b := settled(t)
	plain := make([]byte, 100)
	text := func() string {
		m, err := a.Encrypt(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		return m.Text()
	}
	if n := testing.AllocsPerRun(200, func() { text() }); n > 3 {
		t.Errorf("encrypting: %v allocations", n)
	}
	var texts []string
	for range 300 {
		texts = append(texts, text())
	}
	wantPlain(t, b, encrypt(t, a, "y"), "y")
	i := 0
	texts = texts[100:]
	if n := testing.AllocsPerRun(100, func() {
		m, err := ParseMessage(1, texts[i])
		if err != nil {
			t.Fatal(err)
		}
		i++
		b.Decrypt(m)
	}); n > 3 {
		t.Errorf("decrypting: %v allocations", n)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	s, _ := settled(b)
	plain := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		m, _ := s.Encrypt(nil, plain)
		m.Text()
	}
}

func BenchmarkDecrypt(b *testing.B) {
	const chain = 20000
	s, r := settled(b)
	key := &PickleKey{}
	start, err := r.Pickle(nil, key)
	if err != nil {
		b.Fatal(err)
	}
	var texts []string
	for range chain {
		m, _ := s.Encrypt(nil, make([]byte, 100))
		texts = append(texts, m.Text())
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%chain == 0 {
			if r, err = UnpickleSession(key, start); err != nil {
				b.Fatal(err)
			}
		}
		m, err := ParseMessage(1, texts[i%chain])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Decrypt(m); err != nil {
			b.Fatal(err)
		}
	}
}
