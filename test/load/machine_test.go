package load_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// The shares of a round's processor time that others may have taken. Beyond them the figures say little about Sluice.
const (
	mostOthers = 0.10
	mostStolen = 0.05
	clockSlack = 0.05 // seconds: the kernel counts processor time in hundredths, and each process is read apart
)

// machine reads what the kernel counts.
type machine struct{ fs procfs.FS }

func openMachine(b *testing.B) machine {
	b.Helper()
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		b.Skipf("processor times cannot be read here: %v", err)
	}
	return machine{fs}
}

// facts describe the machine in one line, for readers of the figures.
func (m machine) facts() string {
	model, memory := "unknown processor", 0.0
	if cpus, err := m.fs.CPUInfo(); err == nil && len(cpus) > 0 {
		model = cpus[0].ModelName
	}
	if info, err := m.fs.Meminfo(); err == nil && info.MemTotalBytes != nil {
		memory = float64(*info.MemTotalBytes) / (1 << 30)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown kernel")
	}
	return fmt.Sprintf("%d × %s, %.0f GiB, %s %.*s, %s", runtime.NumCPU(), model, memory, runtime.GOOS, len(kernel)-1, kernel, runtime.Version())
}

// spent is processor time since boot, in seconds.
type spent struct{ busy, stolen, sluice, elastic, generator float64 }

func (s spent) minus(o spent) spent {
	return spent{s.busy - o.busy, s.stolen - o.stolen, s.sluice - o.sluice, s.elastic - o.elastic, s.generator - o.generator}
}

// others is what neither Sluice nor Elasticsearch nor the load generator used.
func (s spent) others() float64 { return max(0, s.busy-s.sluice-s.elastic-s.generator) }

// trouble says why a stretch of time is no measurement, or nothing.
func (s spent) trouble(took time.Duration) string {
	all := took.Seconds() * float64(runtime.NumCPU())
	switch {
	case s.others() > mostOthers*all+clockSlack:
		return fmt.Sprintf("other programs used %.0f %% of the processors", 100*s.others()/all)
	case s.stolen > mostStolen*all+clockSlack:
		return fmt.Sprintf("the host took away %.0f %% of the processors", 100*s.stolen/all)
	}
	return ""
}

// now reads the time used up to now by everything, by Sluice and by Elasticsearch, whose process ids are given; 0 stands
// for a process that does not run.
func (m machine) now(b *testing.B, sluice, elastic int) spent {
	b.Helper()
	total, err := m.fs.Stat()
	if err != nil {
		b.Fatal(err)
	}
	c := total.CPUTotal
	s := spent{busy: c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ, stolen: c.Steal}
	s.sluice, s.elastic, s.generator = m.seconds(b, sluice), m.seconds(b, elastic), m.seconds(b, os.Getpid())
	return s
}

// seconds is the processor time of a process.
func (m machine) seconds(b *testing.B, pid int) float64 {
	b.Helper()
	if pid == 0 {
		return 0
	}
	proc, err := m.fs.Proc(pid)
	if err != nil {
		b.Fatal(err)
	}
	stat, err := proc.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return stat.CPUTime()
}

// watchMemory samples a process's resident memory until stopped, and returns the most it saw, in bytes.
func (m machine) watchMemory(b *testing.B, pid int) (stop func() int) {
	b.Helper()
	all := m.sampleMemory(b, pid)
	return func() int { return slices.Max(append(all(), 0)) }
}

// sampleMemory reads a process's resident memory twenty times a second until stopped, and returns all it saw, in bytes.
func (m machine) sampleMemory(b *testing.B, pid int) (stop func() []int) {
	b.Helper()
	done, seen := make(chan struct{}), make(chan []int)
	go func() {
		var all []int
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				seen <- all
				return
			case <-tick.C:
				if proc, err := m.fs.Proc(pid); err == nil {
					if stat, err := proc.Stat(); err == nil {
						all = append(all, stat.ResidentMemory())
					}
				}
			}
		}
	}()
	return func() []int { close(done); return <-seen }
}
