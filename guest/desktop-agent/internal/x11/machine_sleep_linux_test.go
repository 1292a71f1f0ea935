package x11

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseSyscall(t *testing.T) {
	tests := []struct {
		line   string
		number uint64
		arg2   uint64
		ok     bool
	}{
		{"7 0x7ffe 0x1 0xffffffff 0x0 0x0 0x0 0x7ffe 0x7f52\n", 7, 0xffffffff, true},
		{"running\n", 0, 0, false},
		{"-1 0x7ffe 0x7f52\n", 0, 0, false},
		{"7 0x7ffe 0x1 0xzz 0x0 0x0 0x0 0x7ffe 0x7f52\n", 0, 0, false},
		{"", 0, 0, false},
	}
	for _, tt := range tests {
		number, args, ok := parseSyscall(tt.line)
		if ok != tt.ok || ok && (number != tt.number || args[2] != tt.arg2) {
			t.Errorf("%q: %d, %x, %v", tt.line, number, args, ok)
		}
	}
}

func TestParseSocket(t *testing.T) {
	const head = "   1: 0100007F:D9EE 0100007F:0050 "
	const tail = " 00000000:00000000 00:00000000 00000000     0        0 624 1 00000000b1b7d4ff 100 0 0 10 0\n"
	tests := []struct {
		line string
		ok   bool
	}{
		{head + "01" + tail, true},
		{head + "02" + tail, true},
		{head + "0A" + tail, false},
		{head + "06" + tail, false},
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n", false},
		{"", false},
	}
	for _, tt := range tests {
		if inode, ok := parseSocket(tt.line); ok != tt.ok || ok && inode != "624" {
			t.Errorf("%q: %q, %v", tt.line, inode, ok)
		}
	}
}

// Programs that sleep in the ways that programs do.
func TestSleepingBeyond(t *testing.T) {
	const busy = "pass"
	tests := []struct {
		name, sleep string
		want        bool   // whether it sleeps for longer than 200 ms
		before      string // what the program does before it sleeps
	}{
		{"for ever, in poll", "select.poll().poll()", true, ""},
		{"for a while, in poll", "select.poll().poll(150)", false, ""},
		{"long, in poll", "select.poll().poll(60000)", true, ""},
		{"for ever, in epoll", "select.epoll().poll()", true, ""},
		{"for a while, in epoll", "select.epoll().poll(0.15)", false, ""},
		{"for ever, in select", "select.select([r], [], [])", true, ""},
		{"for a while, in select", "select.select([r], [], [], 0.15)", false, ""},
		{"long, in select", "select.select([r], [], [], 60)", true, ""},
		{"for a while, until a time", "time.sleep(0.15)", false, ""},
		{"long, until a time", "time.sleep(60)", true, ""},
		{"until it can read", "os.read(r, 1)", true, ""},
		{"for a lock, for a while", "l.acquire(timeout=0.15)", false, ""},
		{"for a lock, long", "l.acquire(timeout=60)", true, ""},
		{"for a lock", "l.acquire()", true, ""},
		{"long, with a thread that sleeps for a while", "time.sleep(60)", false, "threading.Thread(target=nap).start()"},
		{"not at all", busy, false, ""},
		{"long, and connected", "time.sleep(60)", false, "c = connect()"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			script := `import os, select, socket, threading, time
r, w = os.pipe()
l = threading.Lock()
l.acquire()
def connect():
    s = socket.create_server(("127.0.0.1", 0))
    return socket.create_connection(s.getsockname()), s
def nap():
    while True: time.sleep(0.15)
` + tt.before + `
print("ready", flush=True)
while True:
    ` + tt.sleep
			cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			// The script sleeps again and again, so it is in its sleep nearly always.
			pid := strconv.Itoa(cmd.Process.Pid)
			for asleep := tt.sleep == busy; !asleep; {
				line, err := os.ReadFile("/proc/" + pid + "/syscall")
				if err != nil {
					t.Fatal(err)
				}
				_, _, asleep = parseSyscall(string(line))
			}
			awake := 0
			for range 20 {
				if !sleepingBeyond([]int{cmd.Process.Pid}, 200*time.Millisecond) {
					awake++
				}
			}
			if tt.want && awake > 10 || !tt.want && awake < 20 {
				t.Errorf("of 20 looks, %d found that it may wake; want sleep: %v", awake, tt.want)
			}
		})
	}
}

func TestProcessorTime(t *testing.T) {
	before := processorTime(unix.Getpid())
	for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
	}
	if used := processorTime(unix.Getpid()) - before; used <= 0 || used > 10*time.Second {
		t.Errorf("20 ms of work were counted as %v", used)
	}
	if used := processorTime(1 << 23); used != 0 {
		t.Errorf("a process that does not exist has worked %v", used)
	}
}
