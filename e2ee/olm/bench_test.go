package olm

import "testing"

// settled is a session that both sides have used.
func settled(t testing.TB) (a, b *Session) {
	a, b = pair(t, V1)
	wantPlain(t, a, encrypt(t, b, "x"), "x")
	return a, b
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
