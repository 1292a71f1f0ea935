package x11

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxThreads is how many threads are looked at. More than a browser with many
// pages has are not worth the time.
const maxThreads = 1024

// sleepingBeyond reports whether each thread of the processes is asleep, and no
// clock will wake one within the time, as far as it is one that was set after
// an input so long ago at most. It also says no when it cannot tell, and when a
// process talks to another machine, which may answer at any time.
func sleepingBeyond(pids []int, horizon time.Duration) bool {
	threads := 0
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		tasks, err := os.Open(dir + "/task")
		if err != nil {
			continue // it has ended
		}
		names, err := tasks.Readdirnames(-1)
		tasks.Close()
		if threads += len(names); err != nil || threads > maxThreads {
			return false
		}
		for _, name := range names {
			if !threadSleepsBeyond(dir, name, horizon) {
				return false
			}
		}
	}
	return !conversing(pids)
}

func threadSleepsBeyond(dir, task string, horizon time.Duration) bool {
	line, err := os.ReadFile(dir + "/task/" + task + "/syscall")
	if err != nil {
		_, gone := os.Stat(dir + "/task/" + task)
		return os.IsNotExist(gone)
	}
	number, args, ok := parseSyscall(string(line))
	if !ok {
		return false
	}
	call, ok := sleepCalls[number]
	if !ok {
		return false
	}
	if number == unix.SYS_READ || number == unix.SYS_READV {
		// A wait for a disk has a certain end.
		stat, err := os.ReadFile(dir + "/task/" + task + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") D ")) {
			return false
		}
	}
	left, ever, ok := call(args, func(address uint64) (unix.Timespec, bool) { return peek(dir, address) })
	return ok && (!ever || left > horizon)
}

// parseSyscall reads /proc/PID/task/TID/syscall: what a thread waits in, with
// its six arguments. A thread that runs, wants to run or waits for memory is in
// none.
func parseSyscall(line string) (number uint64, args [6]uint64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 1+len(args) {
		return 0, args, false
	}
	number, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return 0, args, false
	}
	for i := range args {
		if args[i], err = strconv.ParseUint(strings.TrimPrefix(fields[1+i], "0x"), 16, 64); err != nil {
			return 0, args, false
		}
	}
	return number, args, true
}

// peek reads a time from the memory of a process.
func peek(dir string, address uint64) (unix.Timespec, bool) {
	memory, err := os.Open(dir + "/mem")
	if err != nil {
		return unix.Timespec{}, false
	}
	defer memory.Close()
	var b [16]byte
	if _, err := memory.ReadAt(b[:], int64(address)); err != nil {
		return unix.Timespec{}, false
	}
	t := unix.Timespec{Sec: int64(binary.NativeEndian.Uint64(b[:8])), Nsec: int64(binary.NativeEndian.Uint64(b[8:]))}
	return t, true
}

// A sleepCall is a system call that threads sleep in. It tells how much time is
// left until a clock ends the sleep, if one does ever; of a sleep of a given
// length, that is the length.
type sleepCall func(args [6]uint64, read func(uint64) (unix.Timespec, bool)) (left time.Duration, ever, ok bool)

type readTime = func(uint64) (unix.Timespec, bool)

// untilEvent is a call that no clock ends.
func untilEvent([6]uint64, readTime) (time.Duration, bool, bool) { return 0, false, true }

// milliseconds is a call with an argument in milliseconds, negative for ever.
func milliseconds(arg int) sleepCall {
	return func(args [6]uint64, _ readTime) (time.Duration, bool, bool) {
		ms := int32(args[arg])
		return time.Duration(ms) * time.Millisecond, ms >= 0, true
	}
}

// length is a call with an argument that points to how long it sleeps, nowhere
// for ever. In a timeval the fraction is in microseconds.
func length(arg int, fraction time.Duration) sleepCall {
	return func(args [6]uint64, read readTime) (time.Duration, bool, bool) {
		if args[arg] == 0 {
			return 0, false, true
		}
		t, ok := read(args[arg])
		return time.Duration(t.Sec)*time.Second + time.Duration(t.Nsec)*fraction, true, ok
	}
}

// sleepUntil is a call with an argument that points to when it ends, by a clock.
func sleepUntil(arg int, clock int32) sleepCall {
	return func(args [6]uint64, read readTime) (time.Duration, bool, bool) {
		end, ok := read(args[arg])
		var now unix.Timespec
		if err := unix.ClockGettime(clock, &now); err != nil {
			ok = false
		}
		return time.Duration(end.Sec-now.Sec)*time.Second + time.Duration(end.Nsec-now.Nsec), true, ok
	}
}

// clockNanosleep sleeps until a time or for a length.
func clockNanosleep(args [6]uint64, read readTime) (time.Duration, bool, bool) {
	const absolute = 1
	if args[1]&absolute != 0 {
		return sleepUntil(2, int32(args[0]))(args, read)
	}
	return length(2, time.Nanosecond)(args, read)
}

// futex waits for another thread: for a length, or until a time.
func futex(args [6]uint64, read readTime) (time.Duration, bool, bool) {
	const (
		wait       = 0
		waitBitset = 9
		private    = 0x80
		realtime   = 0x100
	)
	if args[3] == 0 {
		return 0, false, true
	}
	switch args[1] &^ (private | realtime) {
	case wait:
		return length(3, time.Nanosecond)(args, read)
	case waitBitset:
		clock := int32(unix.CLOCK_MONOTONIC)
		if args[1]&realtime != 0 {
			clock = unix.CLOCK_REALTIME
		}
		return sleepUntil(3, clock)(args, read)
	}
	return 0, false, false
}

// sleepCalls are the system calls that programs sleep in, by number.
var sleepCalls = map[uint64]sleepCall{
	unix.SYS_EPOLL_PWAIT:     milliseconds(3),
	unix.SYS_EPOLL_PWAIT2:    length(3, time.Nanosecond),
	unix.SYS_PPOLL:           length(2, time.Nanosecond),
	unix.SYS_PSELECT6:        length(4, time.Nanosecond),
	unix.SYS_RT_SIGTIMEDWAIT: length(2, time.Nanosecond),
	unix.SYS_NANOSLEEP:       length(0, time.Nanosecond),
	unix.SYS_CLOCK_NANOSLEEP: clockNanosleep,
	unix.SYS_FUTEX:           futex,
	unix.SYS_READ:            untilEvent,
	unix.SYS_READV:           untilEvent,
	unix.SYS_RECVMSG:         untilEvent,
	unix.SYS_RECVFROM:        untilEvent,
	unix.SYS_ACCEPT:          untilEvent,
	unix.SYS_ACCEPT4:         untilEvent,
	unix.SYS_WAIT4:           untilEvent,
	unix.SYS_WAITID:          untilEvent,
	unix.SYS_RT_SIGSUSPEND:   untilEvent,
}
