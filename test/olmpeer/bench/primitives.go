package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"runtime"
	"time"
)

// primitive is something that the operations are made of.
type primitive struct {
	name string
	run  func(n int)
}

// measure is the median time of one, in seconds.
func (p *primitive) measure(rounds int, run time.Duration) float64 {
	n := 1
	for ; ; n *= 2 {
		start := processTime()
		if p.run(n); processTime()-start > run/2 {
			break
		}
	}
	var times []float64
	for range rounds {
		runtime.GC()
		start := processTime()
		p.run(n)
		times = append(times, (processTime()-start).Seconds()/float64(n))
	}
	return median(times)
}

func repeat(f func()) func(n int) {
	return func(n int) {
		for range n {
			f()
		}
	}
}

var (
	buf4096   = make([]byte, 4096)
	x25519Key = must(ecdh.X25519().GenerateKey(rand.Reader))
	edPublic  = edKey.Public().(ed25519.PublicKey)
	edKey     = ed25519.NewKeyFromSeed(make([]byte, 32))
	edSig     = ed25519.Sign(edKey, buf4096[:200])
	aesBlock  = must(aes.NewCipher(make([]byte, 32)))
)

var primitives = []primitive{
	{"X25519 key generation, crypto/ecdh", repeat(func() { must(ecdh.X25519().GenerateKey(rand.Reader)) })},
	{"X25519 exchange, crypto/ecdh", repeat(func() { must(x25519Key.ECDH(x25519Key.PublicKey())) })},
	{"Ed25519 key of a seed, crypto/ed25519", repeat(func() { ed25519.NewKeyFromSeed(buf4096[:32]) })},
	{"Ed25519 signature of 200 B, crypto/ed25519", repeat(func() { ed25519.Sign(edKey, buf4096[:200]) })},
	{"Ed25519 signature of 4 KiB, crypto/ed25519", repeat(func() { ed25519.Sign(edKey, buf4096) })},
	{"Ed25519 verification of 200 B, crypto/ed25519", repeat(func() { ed25519.Verify(edPublic, buf4096[:200], edSig) })},
	{"SHA-512 of 4 KiB", repeat(func() { sha512.Sum512(buf4096) })},
	{"SHA-256 of one block", repeat(func() { sha256.Sum256(buf4096[:32]) })},
	{"HMAC-SHA-256 of one byte, crypto/hmac", repeat(func() { h := hmac.New(sha256.New, buf4096[:32]); h.Write(buf4096[:1]); h.Sum(nil) })},
	{"AES-256-CBC encryption of 4 KiB", repeat(func() { cipher.NewCBCEncrypter(aesBlock, buf4096[:16]).CryptBlocks(make([]byte, 4096), buf4096) })},
	{"base64 of 4 KiB", repeat(func() { base64.RawStdEncoding.EncodeToString(buf4096) })},
}
