package megolm

import "testing"

// TestAllocations holds the allocations of a message, base64 included, to
// three.
func TestAllocations(t *testing.T) {
	out, in := pair(t, V1)
	plain := make([]byte, 100)
	text := func() string {
		m, err := out.Encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		return m.Text()
	}
	if n := testing.AllocsPerRun(100, func() { text() }); n > 3 {
		t.Errorf("encrypting: %v allocations", n)
	}
	var texts []string
	for range 210 {
		texts = append(texts, text())
	}
	decrypt := func() {
		m, err := ParseMessage(texts[0])
		if err != nil {
			t.Fatal(err)
		}
		texts = texts[1:]
		if _, err := in.Decrypt(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		decrypt()
	}
	if n := testing.AllocsPerRun(200, decrypt); n > 3 {
		t.Errorf("decrypting: %v allocations", n)
	}
}

func BenchmarkNewOutbound(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewOutbound(nil, V1)
	}
}

func BenchmarkEncrypt4096(b *testing.B) {
	s, _ := NewOutbound(nil, V1)
	plain := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		m, _ := s.Encrypt(plain)
		m.Text()
	}
}

func BenchmarkDecryptParallel(b *testing.B) {
	out, in := pair(b, V1)
	m, _ := out.Encrypt(make([]byte, 100))
	text := m.Text()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m, _ := ParseMessage(text)
			in.Decrypt(m)
		}
	})
}
