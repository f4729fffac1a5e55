module github.com/hanse-im/hanse

go 1.26
