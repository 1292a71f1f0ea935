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
)

// profiles are where browsers of Chromium's family keep their default profile,
// below the home directory, by the name of the program.
var profiles = map[string]string{
	"chromium":             ".config/chromium",
	"chromium-browser":     ".config/chromium",
	"google-chrome":        ".config/google-chrome",
	"google-chrome-stable": ".config/google-chrome",
}

// handOverLimit is how long a browser may take to answer. One that hangs is
// started anew, which has its own ways to deal with that.
const handOverLimit = 5 * time.Second

// handOver gives an address to the browser that runs already, and reports whether
// that has taken it. It says what a second process of the program would say to the
// first, and so saves the start of that process, which takes seconds under
// emulation. See chrome/browser/process_singleton_posix.cc in Chromium.
func handOver(ctx context.Context, program, home, address string) bool {
	if path, err := filepath.EvalSymlinks(program); err == nil {
		program = path
	}
	profile, ok := profiles[filepath.Base(program)]
	if !ok {
		return false
	}
	socket, err := singletonSocket(filepath.Join(home, profile))
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, handOverLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	message := strings.Join([]string{"START", home, program, address}, "\x00")
	if _, err := io.WriteString(conn, message); err != nil {
		return false
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return false
	}
	var answer [3]byte
	_, err = io.ReadFull(conn, answer[:])
	return err == nil && string(answer[:]) == "ACK"
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
