// Package x11test starts X servers for tests.
package x11test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Server is a private X server, ended with the test that started it.
type Server struct {
	Display string // such as ":7"
	process *os.Process
	manager *os.Process // of StartManager
	kill    func()
}

// Stop makes the server hang until the end of the test.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.Signal(syscall.SIGCONT) })
}

// Kill ends the server without a word to its clients.
func (s *Server) Kill() { s.kill() }

// Start starts an Xvnc, or where there is none an Xvfb, with a screen of 24
// bits. A machine without both fails the test.
func Start(t testing.TB, size desktop.Size) *Server {
	t.Helper()
	for _, program := range []string{"Xvnc", "Xvfb"} {
		if path, err := exec.LookPath(program); err == nil {
			return StartProgram(t, path, size)
		}
	}
	t.Fatal("no X server found: install tigervnc-standalone-server or xvfb")
	return nil
}

// started counts servers.
var started atomic.Int32

// nextDisplay returns a display of this process's own hundred. A server that looks for
// a free one can take that of another which is about to end, and which then removes
// what belongs to both.
func nextDisplay() string {
	const hundreds = 500 // of which the last display is far from what a TCP port can be
	return fmt.Sprintf(":%d", 100*(1+os.Getpid()%hundreds)+int(started.Add(1))%100)
}

// StartProgram starts an X server by the path of its program, which is an Xvnc
// or an Xvfb.
func StartProgram(t testing.TB, path string, size desktop.Size) *Server {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	args := []string{nextDisplay(), "-displayfd", "3", "-nolisten", "tcp", "-noreset"}
	if strings.HasSuffix(path, "Xvnc") {
		// Without a port and with nobody to connect, VNC does not matter.
		args = append(args, "-SecurityTypes", "None", "-rfbport", "-1", "-geometry", size.String(), "-depth", "24")
	} else {
		args = append(args, "-screen", "0", size.String()+"x24")
	}
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.ExtraFiles = []*os.File{write}
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, -10) // as in a guest, if it is allowed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	s := &Server{process: cmd.Process, kill: func() {
		_ = cmd.Process.Kill()
		<-ended
	}}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an X server removes its socket then
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			s.kill()
		}
	})
	// The server writes the number of its display when it is ready.
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		<-ended
		t.Fatalf("%s did not start: %v\n%s", path, err, log.Bytes())
	}
	s.Display = ":" + strings.TrimSpace(line)
	return s
}
