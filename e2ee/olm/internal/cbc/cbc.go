// Package cbc is the encryption under each message of Olm and Megolm, under
// libolm's pickles and under its public-key encryption: AES-256 in CBC mode
// with PKCS#7 padding, with an HMAC-SHA-256 key beside it, all three derived
// into 80 bytes. It decrypts nothing that its caller has not authenticated.
//
// Spec: olm-megolm/olm#version-1, olm-megolm/megolm#message-encryption
package cbc

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/hanse-im/hanse/e2ee/olm/fail"
)

// Keys are an AES key, an HMAC key and an IV, as HKDF gives them.
type Keys [80]byte

// AES is the AES-256 key.
func (k *Keys) AES() []byte { return k[:32] }

// HMAC is the HMAC-SHA-256 key.
func (k *Keys) HMAC() *[32]byte { return (*[32]byte)(k[32:64]) }

// IV is the initialisation vector.
func (k *Keys) IV() []byte { return k[64:] }

// Wipe clears the keys.
func (k *Keys) Wipe() { clear(k[:]) }

// Size is the length of the ciphertext of n bytes of plaintext.
func Size(n int) int { return n + aes.BlockSize - n%aes.BlockSize }

// Append appends the ciphertext of plain to dst and returns the extended
// slice. dst and plain may not overlap. One allocation beside dst's growth.
func Append(dst []byte, k *Keys, plain []byte) []byte {
	block, err := aes.NewCipher(k.AES())
	if err != nil {
		panic("cbc: the key has 32 bytes: " + err.Error())
	}
	start := len(dst)
	dst = append(dst, plain...)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		dst = append(dst, byte(pad))
	}
	out := dst[start:]
	prev := k.IV()
	for len(out) > 0 {
		cur := out[:aes.BlockSize]
		xor(cur, prev)
		block.Encrypt(cur, cur)
		prev, out = cur, out[aes.BlockSize:]
	}
	return dst
}

var zeroIV [aes.BlockSize]byte

// few is the number of blocks up to which decrypting block by block is faster
// than setting up the standard library's parallel mode.
const few = 12

// Decrypt decrypts data in place and returns the plaintext as a part of it.
// Errors have the class fail.MAC: whoever could tell bad padding from a bad
// MAC could ask one about the other. After an error data is undefined.
func Decrypt(k *Keys, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, fail.New(fail.MAC, "ciphertext length")
	}
	block, err := aes.NewCipher(k.AES())
	if err != nil {
		panic("cbc: the key has 32 bytes: " + err.Error())
	}
	if n := len(data) / aes.BlockSize; n <= few {
		// From the back, so that the block before is still encrypted when it
		// is needed.
		for i := n - 1; i >= 0; i-- {
			cur := data[i*aes.BlockSize : (i+1)*aes.BlockSize]
			block.Decrypt(cur, cur)
			if i == 0 {
				xor(cur, k.IV())
			} else {
				xor(cur, data[(i-1)*aes.BlockSize:])
			}
		}
	} else {
		// The mode keeps what it is given as an IV; it gets zeros, and the keys
		// stay on the caller's stack.
		cipher.NewCBCDecrypter(block, zeroIV[:]).CryptBlocks(data, data)
		xor(data, k.IV())
	}
	return unpad(data)
}

// xor sets the first block of dst to itself XOR the first block of src.
func xor(dst, src []byte) {
	le := binary.LittleEndian
	a, b := le.Uint64(dst)^le.Uint64(src), le.Uint64(dst[8:])^le.Uint64(src[8:])
	le.PutUint64(dst, a)
	le.PutUint64(dst[8:], b)
}

// unpad removes PKCS#7 padding without branching on the padding bytes.
func unpad(data []byte) ([]byte, error) {
	last := data[len(data)-aes.BlockSize:]
	pad := int32(last[aes.BlockSize-1])
	// Negative if pad is 0 or over 16.
	bad := (pad - 1) | (aes.BlockSize - pad)
	bad >>= 31
	for i, b := range last {
		// All ones from the first byte of the padding on.
		inPad := (aes.BlockSize - 1 - pad - int32(i)) >> 31
		bad |= inPad & (int32(b) ^ pad)
	}
	if bad != 0 {
		return nil, fail.New(fail.MAC, "padding")
	}
	return data[:len(data)-int(pad)], nil
}
