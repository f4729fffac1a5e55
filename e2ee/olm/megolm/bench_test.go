package megolm

import "testing"

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
