package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// identify returns what names process pid beyond doubt.
func identify(pid int) (processRecord, error) {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return processRecord{}, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processRecord{}, err
	}
	start, err := startTime(stat)
	if err != nil {
		return processRecord{}, err
	}
	return processRecord{PID: pid, StartTime: start, BootID: strings.TrimSpace(string(bootID))}, nil
}

// startTime returns field 22 of a /proc/PID/stat (proc_pid_stat(5)). Field 2 is
// the program's name in parentheses and may hold spaces and parentheses itself.
func startTime(stat []byte) (uint64, error) {
	const field, afterName = 22, 3
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, errors.New("stat has no program name")
	}
	fields := strings.Fields(string(stat[i+1:]))
	if len(fields) <= field-afterName {
		return 0, errors.New("stat has too few fields")
	}
	return strconv.ParseUint(fields[field-afterName], 10, 64)
}
