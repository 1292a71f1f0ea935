package browse

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// profiles are where browsers of Chromium's family keep their default profile,
// below the home directory, by the name of the program.
var profiles = map[string]string{
	"chromium":             ".config/chromium",
	"chromium-browser":     ".config/chromium",
	"google-chrome":        ".config/google-chrome",
	"google-chrome-stable": ".config/google-chrome",
}

// handOverLimit is how long a browser may take to answer.
const handOverLimit = 5 * time.Second

// handOver gives an address to the browser that runs already, and reports whether
// that has taken it. It says what a second process of the program would say to the
// first, and so saves the start of that process, which takes seconds under
// emulation. See chrome/browser/process_singleton_posix.cc in Chromium.
//
// Only an address that was not handed over may be opened in another way. When
// it was, and no answer comes within limit, nobody knows whether the browser
// opens it yet: that is an error, which is a *desktop.Error.
func handOver(ctx context.Context, limit time.Duration, program, home, address string) (bool, error) {
	if path, err := filepath.EvalSymlinks(program); err == nil {
		program = path
	}
	profile, ok := profiles[filepath.Base(program)]
	if !ok {
		return false, nil
	}
	socket, err := singletonSocket(filepath.Join(home, profile))
	if err != nil {
		return false, nil
	}
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(wait, "unix", socket)
	if err != nil {
		return false, nil
	}
	defer conn.Close()
	defer context.AfterFunc(wait, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	message := strings.Join([]string{"START", home, program, address}, "\x00")
	if n, err := io.WriteString(conn, message); n == 0 && err != nil {
		return false, nil
	} else if err != nil {
		return false, unanswered(ctx, err)
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return false, unanswered(ctx, err)
	}
	const taken = "ACK"
	var answer [len(taken)]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return false, unanswered(ctx, err)
	}
	return string(answer[:]) == taken, nil
}

// unanswered is the error of an address that was handed over to a browser that
// has not said what it did with it.
func unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return desktop.Errorf(desktop.CodeCancelled, "the browser was given the address, but nobody waited until it had taken it")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("it took too long")
	}
	return desktop.Errorf(desktop.CodeUnknown, "the running browser was given the address but did not answer (%v), so whether it opens it is not known: take a screenshot and look", err)
}

// singletonSocket returns the socket of the browser that uses a profile. A cookie
// beside it tells that it is not another one's with the same name.
func singletonSocket(profile string) (string, error) {
	socket, err := os.Readlink(filepath.Join(profile, "SingletonSocket"))
	if err != nil {
		return "", err
	}
	want, err := os.Readlink(filepath.Join(profile, "SingletonCookie"))
	if err != nil {
		return "", err
	}
	got, err := os.Readlink(filepath.Join(filepath.Dir(socket), "SingletonCookie"))
	if err != nil {
		return "", err
	}
	if got != want {
		return "", errors.New("the socket is not that of the profile's browser")
	}
	return socket, nil
}
