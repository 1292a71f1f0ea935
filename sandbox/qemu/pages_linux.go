package qemu

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is where a process has a part of a file in its memory.
type mapping struct {
	begin, end uint64 // addresses
	offset     int64  // in the file
}

// mappings returns where process pid has mapped file (proc_pid_maps(5)).
func mappings(pid int, file *os.File) ([]mapping, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var found []mapping
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var m mapping
		var perms string
		var major, minor uint32
		var inode uint64
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x %x:%x %d", &m.begin, &m.end, &perms, &m.offset, &major, &minor, &inode)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", maps.Name(), err)
		}
		if inode == st.Ino && unix.Mkdev(major, minor) == st.Dev && strings.HasPrefix(perms, "rw") {
			found = append(found, m)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d has not mapped its memory file", pid)
	}
	return found, nil
}

// Bits of an entry of a pagemap (Documentation/admin-guide/mm/pagemap.rst).
const (
	pagePresent  = 1 << 63
	pageSwapped  = 1 << 62
	pageOfFile   = 1 << 61 // or shared: not this process's own
	pagemapEntry = 8
)

// private appends the runs of pages of m that are process pid's own, as it has
// written to them since they were mapped from a file.
func (m mapping) private(spans []span, pagemap *os.File) ([]span, error) {
	const batch = 64 << 10 // bytes of entries
	entries := make([]byte, batch)
	for addr := m.begin; addr < m.end; {
		n := min((m.end-addr)/pageSize*pagemapEntry, batch)
		if _, err := pagemap.ReadAt(entries[:n], int64(addr/pageSize*pagemapEntry)); err != nil {
			return nil, fmt.Errorf("read %s: %w", pagemap.Name(), err)
		}
		for e := entries[:n]; len(e) > 0; e = e[pagemapEntry:] {
			flags := binary.LittleEndian.Uint64(e)
			if flags&(pagePresent|pageSwapped) != 0 && flags&pageOfFile == 0 {
				spans = appendSpan(spans, span{m.offset + int64(addr-m.begin), pageSize})
			}
			addr += pageSize
		}
	}
	return spans, nil
}

// privatePages are those that a process has over a file.
type privatePages struct {
	pid  int
	file *os.File
	maps []mapping
}

func newPrivatePages(pid int, file *os.File) (*privatePages, error) {
	maps, err := mappings(pid, file)
	if err != nil {
		return nil, err
	}
	return &privatePages{pid: pid, file: file, maps: maps}, nil
}

func (p *privatePages) spans() (spans []span, err error) {
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", p.pid))
	if err != nil {
		return nil, err
	}
	defer pagemap.Close()
	for _, m := range p.maps {
		if spans, err = m.private(spans, pagemap); err != nil {
			return nil, err
		}
	}
	return spans, nil
}

func (p *privatePages) read(b []byte, offset int64) error {
	return p.transfer(unix.ProcessVMReadv, b, offset)
}

func (p *privatePages) write(b []byte, offset int64) error {
	return p.transfer(unix.ProcessVMWritev, b, offset)
}

// transfer copies between b and the memory of the process that is at offset of the
// file.
func (p *privatePages) transfer(call func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error), b []byte, offset int64) error {
	for len(b) > 0 {
		addr, room := find(p.maps, offset)
		if room == 0 {
			return fmt.Errorf("process %d has not mapped byte %d of its memory file", p.pid, offset)
		}
		local := []unix.Iovec{{Base: &b[0]}}
		want := int(min(int64(len(b)), room))
		local[0].SetLen(want)
		n, err := call(p.pid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: want}}, 0)
		if err == nil && n != want {
			err = fmt.Errorf("%d bytes of %d", n, want)
		}
		if err != nil {
			return fmt.Errorf("memory of process %d: %w", p.pid, err)
		}
		b = b[want:]
		offset += int64(want)
	}
	return nil
}

// find returns the address of a byte of the file, and how many are mapped from
// there on.
func find(maps []mapping, offset int64) (addr uint64, room int64) {
	for _, m := range maps {
		if size := int64(m.end - m.begin); offset >= m.offset && offset < m.offset+size {
			into := offset - m.offset
			return m.begin + uint64(into), size - into
		}
	}
	return 0, 0
}
