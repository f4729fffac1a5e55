package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/hanse-im/hanse/matrix/canonjson"
	"github.com/hanse-im/hanse/matrix/event"
	"github.com/hanse-im/hanse/matrix/roomver"
)

// inspect prints what one event is.
func inspect(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("hanse event", flag.ContinueOnError)
	flags.SetOutput(out)
	version := flags.String("room-version", roomver.Default, "the version of the event's `room`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rules, ok := roomver.Lookup(*version)
	if !ok {
		return fmt.Errorf("room version %q is not known; see hanse versions", *version)
	}
	switch flags.NArg() {
	case 0:
	case 1:
		f, err := os.Open(flags.Arg(0))
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	default:
		return fmt.Errorf("one file at a time, not %d", flags.NArg())
	}
	const longest = 1 << 20
	text, err := io.ReadAll(io.LimitReader(in, longest))
	if err != nil {
		return err
	}
	p, err := event.Parse(rules, text)
	if err != nil {
		fmt.Fprintf(out, "this is no event of room version %s: %v\n", rules.Version, err)
		return errNo
	}
	return describe(p, out)
}

func describe(p *event.PDU, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	hash := p.Hash()
	fmt.Fprintf(w, "event ID\t%s\n", p.ID())
	fmt.Fprintf(w, "room\t%s\n", p.Room())
	fmt.Fprintf(w, "type\t%s\n", p.Type())
	if key, ok := p.StateKey(); ok {
		fmt.Fprintf(w, "state key\t%q\n", key)
	}
	fmt.Fprintf(w, "sender\t%s\n", p.Sender())
	fmt.Fprintf(w, "depth\t%d\n", p.Depth())
	fmt.Fprintf(w, "previous events\t%v\n", p.PrevEvents())
	fmt.Fprintf(w, "auth events\t%v\n", p.AuthEvents())
	fmt.Fprintf(w, "reference hash\t%s\n", canonjson.EncodeBase64(hash[:]))
	fmt.Fprintf(w, "must be signed by\t%v\n", p.RequiredSigners())
	intact := p.CheckContentHash()
	if intact == nil {
		fmt.Fprintf(w, "content hash\tmatches\n")
	} else {
		fmt.Fprintf(w, "content hash\t%v\n", intact)
	}
	fmt.Fprintf(w, "after redaction\t%s\n", p.Redact().JSON())
	if err := w.Flush(); err != nil {
		return err
	}
	if intact != nil {
		return errNo
	}
	return nil
}

// versions prints the table of room versions.
func versions(args []string, out io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("hanse versions takes no arguments")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "version\tevent IDs\tstate resolution\tstrict JSON\tknocking\trestricted joins\tcreators' power")
	ids := map[roomver.EventIDFormat]string{roomver.EventIDField: "chosen by the server", roomver.EventIDHash: "hash", roomver.EventIDHashURLSafe: "hash, URL-safe"}
	resolution := map[roomver.StateResAlgorithm]string{roomver.StateResV1: "1", roomver.StateResV2: "2", roomver.StateResV21: "2.1"}
	yes := map[bool]string{true: "yes", false: "-"}
	for _, r := range roomver.All() {
		power := "100"
		if r.PrivilegedCreators {
			power = "infinite"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Version, ids[r.EventID], resolution[r.StateRes], yes[r.StrictJSON], yes[r.Knocking], yes[r.Restricted], power)
	}
	return w.Flush()
}
