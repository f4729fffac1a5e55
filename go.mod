module github.com/hanse-im/hanse

go 1.26.0

require github.com/go-json-experiment/json v1.27.2

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
