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
	}); n > 4 {
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
	s, r := settled(b)
	plain := make([]byte, 100)
	var texts []string
	for range 100000 {
		m, _ := s.Encrypt(nil, plain)
		texts = append(texts, m.Text())
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%100000 == 0 {
			// The chain begins anew.
			b.StopTimer()
			data, _ := r.Pickle(nil, &PickleKey{})
			r, _ = UnpickleSession(&PickleKey{}, data)
			if i == 0 {
				saved = data
			}
			r, _ = UnpickleSession(&PickleKey{}, saved)
			b.StartTimer()
		}
		m, err := ParseMessage(1, texts[i%100000])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Decrypt(m); err != nil {
			b.Fatal(err)
		}
	}
}

var saved []byte
