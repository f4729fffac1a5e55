// Command bench measures e2ee/olm and libolm side by side and prints the
// ratios.
//
// Each operation is measured in rounds; a round is one run of libolm and one
// of ours, one after the other, so that both see the same machine. A run takes
// at least -run of processor time (garbage collection included). The ratio is
// the median of the rounds' ratios. Inputs and outputs are base64 text on both
// sides, as they are in events; pickles are the library's own.
//
//	go run ./test/olmpeer/bench             # prints the table
//	go run ./test/olmpeer/bench -update     # and writes it to e2ee/olm/BENCH.md
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanse-im/hanse/test/olmpeer"
)

func main() {
	rounds := flag.Int("rounds", 11, "rounds of each operation, at least 10 for a result to keep")
	run := flag.Duration("run", 60*time.Millisecond, "processor time of one run")
	only := flag.String("only", "", "measure only operations whose name contains this")
	update := flag.Bool("update", false, "write the table to e2ee/olm/BENCH.md")
	flag.Parse()
	if err := bench(*rounds, *run, *only, *update); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(rounds int, run time.Duration, only string, update bool) error {
	dir, err := os.MkdirTemp("", "olmbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := olmpeer.Build(dir)
	if err != nil {
		return err
	}
	peer, err := olmpeer.Start(path)
	if err != nil {
		return err
	}
	defer peer.Close()

	var sb strings.Builder
	fmt.Fprintf(&sb, "| operation | libolm, per second | ours, per second | ours ÷ libolm | goal | vodozemac ÷ libolm |\n")
	fmt.Fprintf(&sb, "|---|---|---|---|---|---|\n")
	behind := 0
	for _, op := range operations {
		if !strings.Contains(op.name, only) {
			continue
		}
		r, err := op.measure(peer, rounds, run)
		if err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		mark := ""
		if op.goal > 0 && r.ratio < op.goal {
			mark = " (behind)"
			behind++
		}
		row := fmt.Sprintf("| %s | %.0f | %.0f | **%.1f×**%s | %s | %s |\n", op.name, 1/r.theirs, 1/r.ours, r.ratio, mark, times("≥ ", op.goal), times("", op.vodozemac))
		fmt.Print(row)
		sb.WriteString(row)
	}
	fmt.Printf("\n%d behind their goal; median of %d rounds, %s, %d CPUs, %s\n\n", behind, rounds, cpu(), runtime.NumCPU(), runtime.Version())
	if only != "" {
		return nil
	}
	sb.WriteString("\nThe primitives, of the standard library but where it says otherwise, in microseconds:\n\n| primitive | µs |\n|---|---|\n")
	for _, p := range primitives {
		row := fmt.Sprintf("| %s | %.2f |\n", p.name, p.measure(rounds, run)*1e6)
		fmt.Print(row)
		sb.WriteString(row)
	}
	if !update {
		return nil
	}
	file := filepath.Join(olmpeer.Dir(), "..", "..", "e2ee", "olm", "BENCH.md")
	return os.WriteFile(file, []byte(report(sb.String(), rounds)), 0o644)
}

func times(prefix string, v float64) string {
	if v == 0 {
		return "–"
	}
	return prefix + strconv.FormatFloat(v, 'f', -1, 64) + "×"
}

func report(table string, rounds int) string {
	return fmt.Sprintf(`# e2ee/olm beside libolm

%d interleaved rounds of each operation, median of their ratios, processor time on one core unless said otherwise;
%s, %d CPUs, %s. Made by %s.
The last column is what vodozemac 0.10 reached against the same libolm on another machine of two cores.

%s
Creating a Megolm session is one Ed25519 key (a base-point multiplication, an encoding and a SHA-512); encrypting 4 KiB is one
Ed25519 signature of 4 KiB, which hashes them twice, with AES-256-CBC, HMAC-SHA-256 and base64 of 4 KiB. They are as fast as these.
`, rounds, cpu(), runtime.NumCPU(), runtime.Version(), "`make bench-olm`", table)
}

func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

// operation is one row.
type operation struct {
	// name is the row's, peer the name of libolm's benchmark.
	name, peer string
	goal       float64
	vodozemac  float64
	// prepare makes what n operations need and returns them, outside the time.
	prepare func(n int) func()
	// wall measures the time that passes instead of processor time.
	wall bool
}

type result struct{ theirs, ours, ratio float64 }

// measure runs the rounds. Times are seconds per operation.
func (op *operation) measure(p *olmpeer.Peer, rounds int, run time.Duration) (result, error) {
	n, err := op.calibrate(run, func(n int) (float64, error) { return op.runPeer(p, n) })
	if err != nil {
		return result{}, err
	}
	m, err := op.calibrate(run, op.runOurs)
	if err != nil {
		return result{}, err
	}
	var theirs, ours, ratios []float64
	for range rounds {
		a, err := op.runPeer(p, n)
		if err != nil {
			return result{}, err
		}
		b, err := op.runOurs(m)
		if err != nil {
			return result{}, err
		}
		theirs, ours, ratios = append(theirs, a), append(ours, b), append(ratios, a/b)
	}
	return result{median(theirs), median(ours), median(ratios)}, nil
}

// calibrate finds a count of operations that takes about run.
func (op *operation) calibrate(run time.Duration, f func(n int) (float64, error)) (int, error) {
	for n := 4; ; n *= 2 {
		per, err := f(n)
		if err != nil {
			return 0, err
		}
		if took := per * float64(n); took > run.Seconds()/4 {
			return max(4, int(float64(n)*run.Seconds()/took)), nil
		}
	}
}

func (op *operation) runPeer(p *olmpeer.Peer, n int) (float64, error) {
	out, err := p.Do("bench", op.peer, n)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(out[0], 10, 64)
	return float64(ns) / 1e9 / float64(n), err
}

func (op *operation) runOurs(n int) (float64, error) {
	f := op.prepare(n)
	if !op.wall {
		// On one core, as libolm; the collector would else use the idle one.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	runtime.GC()
	start, clock := processTime(), time.Now()
	f()
	took := processTime() - start
	if op.wall {
		took = time.Since(clock)
	}
	return took.Seconds() / float64(n), nil
}

// processTime is the processor time that this process used, on all cores.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
