// Command hanse is the project's one binary.
//
// For now it holds what the protocol library can do by itself: look into events.
//
//	hanse event --room-version 12 event.json   # what an event is, and whether it is intact
//	hanse versions                             # the room versions and how they differ
//	hanse help
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit codes: 0 all is well, 1 the answer is no, 2 the command was used wrongly.
const (
	exitNo    = 1
	exitUsage = 2
)

// errNo is the answer no: it has been printed.
var errNo = errors.New("no")

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errNo):
		os.Exit(exitNo)
	default:
		fmt.Fprintln(os.Stderr, "hanse:", err)
		os.Exit(exitUsage)
	}
}

const usage = `hanse looks into Matrix events.

  hanse event [--room-version V] [FILE]
        print what an event is, its ID and hashes, and what redaction leaves of it;
        without FILE the event is read from standard input.
        example:  hanse event --room-version 11 event.json
  hanse versions
        list the room versions and how they differ
  hanse help
        print this
`

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return nil
	}
	switch args[0] {
	case "event":
		return inspect(args[1:], in, out)
	case "versions":
		return versions(args[1:], out)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return nil
	}
	return fmt.Errorf("there is no command %q; see hanse help", args[0])
}
