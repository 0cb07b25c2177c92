//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"byway/tunnel/wireguard"
)

// ask is the program's request to one of its parts.
type ask struct {
	Op string // open, start, count, stop, rss, idle

	// Of open: which kind of part, and what it must know of the other side.
	Kind     string
	Private  [32]byte // a wireguard.PrivateKey would not let itself be written
	Peer     wireguard.Key
	Endpoint string
	Addrs    []string
	DNS      string

	// Of start: the load.
	Load  string // down, up, udp, rtt, conns
	Flows int

	N int // of idle: sessions to add
}

// answer is a part's reply. Every one carries the time and the process's use of processor and memory so far.
type answer struct {
	Err string

	// Of open at a provider's.
	Public wireguard.Key
	Addrs  []string
	DNS    string

	Count int64         // of the load, in its own unit
	Took  time.Duration // of its best answer time
	At    time.Time
	CPU   time.Duration
	RSS   int64 // bytes
	Peak  int64 // bytes
}

// part is a process of the run.
type part struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startPart starts this program again within a namespace. It answers once it is asked.
func startPart(ns string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("ip", "netns", "exec", ns, self, "part")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start in namespace %s: %w", ns, err)
	}
	return &part{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// do asks and waits for the answer.
func (p *part) do(a ask) (answer, error) {
	if p == nil {
		return answer{At: time.Now()}, nil
	}
	if err := json.NewEncoder(p.in).Encode(a); err != nil {
		return answer{}, fmt.Errorf("%s: %w", a.Op, err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return answer{}, fmt.Errorf("%s: part ended: %w", a.Op, err)
	}
	var got answer
	if err := json.Unmarshal(line, &got); err != nil {
		return answer{}, fmt.Errorf("%s: %w", a.Op, err)
	}
	if got.Err != "" {
		return got, fmt.Errorf("%s %s: %s", a.Op, a.Kind+a.Load, got.Err)
	}
	return got, nil
}

// end closes the part's input, upon which it ends, and waits for it.
func (p *part) end() {
	if p == nil {
		return
	}
	p.in.Close()
	t := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() }) // it may have ended meanwhile
	defer t.Stop()
	_ = p.cmd.Wait() // how it ended does not matter any more
}

// serveParts is the other end of part.
func serveParts(in io.Reader, out io.Writer) {
	var l *load
	var s side
	defer func() {
		if l != nil {
			_ = l.stop() // nobody asks any more
		}
		if s != nil {
			s.close()
		}
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a ask
		var got answer
		err := json.Unmarshal(lines.Bytes(), &a)
		if err == nil {
			switch a.Op {
			case "open":
				s, err = open(a, &got)
			case "start":
				l, err = startLoad(s, a)
			case "count":
				if l != nil {
					got.Count = l.count.Load()
					got.Took = l.best()
				}
			case "stop":
				if l != nil {
					err = l.stop()
					l = nil
				}
			case "idle":
				err = s.idle(a.N)
				debug.FreeOSMemory()
			case "usage":
			default:
				err = errors.New("unknown request")
			}
		}
		if err != nil {
			got.Err = err.Error()
		}
		got.At, got.CPU = time.Now(), used()
		got.RSS, got.Peak = memory()
		line, err := json.Marshal(got)
		if err != nil {
			return
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return
		}
	}
}

// used is the processor time of the process so far.
func used() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// memory is the resident memory of the process, now and at most.
func memory() (rss, peak int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		kb, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			rss = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	return rss, peak
}
