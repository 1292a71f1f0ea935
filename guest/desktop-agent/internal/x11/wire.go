package x11

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jezek/xgb"
)

// patience is how long the X server may take for one answer before it is taken
// for dead. It is long because an emulated machine that starts a browser can be
// slow, and a false alarm costs the whole desktop.
const patience = 30 * time.Second

// wire is the socket of a connection to an X server. It bounds each write,
// which xgb does not, reads ahead, because xgb reads event by event, writes
// many requests at once when it is told to, because xgb writes each by itself,
// and remembers why the connection ended, which xgb keeps to itself.
type wire struct {
	net.Conn
	ahead *bufio.Reader

	out    sync.Mutex // guards what follows, and is held while writing
	corked byte       // the opcode of requests that are kept back, 0 for none
	kept   []byte     // those

	mu  sync.Mutex
	err error
}

// maxKept is how many bytes are kept at most, a multiple of what 64 keys take.
const maxKept = 16 << 10

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.ahead.Read(b)
	if err != nil {
		w.end(err)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.out.Lock()
	defer w.out.Unlock()
	if w.corked != 0 && b[0] == w.corked && len(w.kept)+len(b) <= maxKept {
		w.kept = append(w.kept, b...)
		return len(b), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.write(b)
}

// cork keeps requests with a major opcode back, until another request or uncork
// sends them in one piece, which wakes the server once. They must be requests
// without a reply: xgb itself waits for one now and then.
func (w *wire) cork(opcode byte) {
	w.out.Lock()
	w.corked = opcode
	w.out.Unlock()
}

func (w *wire) uncork() {
	w.out.Lock()
	defer w.out.Unlock()
	w.corked = 0
	_ = w.flush() // whoever waits for the connection finds that it has ended
}

func (w *wire) flush() error {
	if len(w.kept) == 0 {
		return nil
	}
	kept := w.kept
	w.kept = kept[:0]
	_, err := w.write(kept)
	return err
}

func (w *wire) write(b []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(b)
	if err != nil {
		w.end(err)
	}
	return n, err
}

// end closes the connection for the reason err, unless it has ended before.
func (w *wire) end(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.mu.Unlock()
	_ = w.Conn.Close() // there is nobody to tell
}

func (w *wire) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// dial connects to the server of a local display such as ":0" or ":0.0".
func dial(ctx context.Context, display, xauthority string) (*xgb.Conn, *wire, error) {
	number, err := displayNumber(display)
	if err != nil {
		return nil, nil, err
	}
	cookie, err := authCookie(xauthority, number)
	if err != nil {
		return nil, nil, err
	}
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "unix", "/tmp/.X11-unix/X"+number)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	w := &wire{Conn: socket, ahead: bufio.NewReaderSize(socket, 32<<10)}
	stop := context.AfterFunc(ctx, func() { w.end(context.Cause(ctx)) })
	defer stop()
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	var conn *xgb.Conn
	if cookie == "" {
		conn, err = xgb.NewConnNet(w)
	} else {
		conn, err = xgb.NewConnNetWithCookieHex(w, cookie)
	}
	if err != nil {
		w.end(err)
		return nil, nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	if err := socket.SetReadDeadline(time.Time{}); err != nil {
		w.end(err)
		return nil, nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	return conn, w, nil
}

// displayNumber takes ":N" and ":N.S" apart; only screen 0 is served.
func displayNumber(display string) (string, error) {
	rest, ok := strings.CutPrefix(display, ":")
	number, screen, _ := strings.Cut(rest, ".")
	if n, err := strconv.ParseUint(number, 10, 16); !ok || err != nil || (screen != "" && screen != "0") {
		return "", fmt.Errorf("display %q is not local: use :NUMBER, such as :0", display)
	} else {
		return strconv.FormatUint(n, 10), nil
	}
}

// authCookie finds the MIT-MAGIC-COOKIE-1 for a display in an Xauthority file,
// in hexadecimal. It is empty when the file is not named or has none.
func authCookie(file, number string) (string, error) {
	if file == "" {
		if file = os.Getenv("XAUTHORITY"); file == "" {
			return "", nil
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("open Xauthority file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read Xauthority file: %w", err)
	}
	cookie, err := findCookie(data, number)
	if err != nil {
		return "", fmt.Errorf("read Xauthority file %s: %w", file, err)
	}
	return hex.EncodeToString(cookie), nil
}

// findCookie reads the entries of an Xauthority file: a 16-bit family and four
// strings (address, display number, name, data), each with a 16-bit length, all
// big-endian. The address is not compared: it is the host's name at the time of
// writing, and the display is local.
func findCookie(data []byte, number string) ([]byte, error) {
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("it ends within an entry")
		}
		data = data[2:]
		var field [4][]byte
		for i := range field {
			if len(data) < 2 {
				return nil, errors.New("it ends within an entry")
			}
			n := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+n {
				return nil, errors.New("it ends within an entry")
			}
			field[i], data = data[2:2+n], data[2+n:]
		}
		display, name, cookie := string(field[1]), string(field[2]), field[3]
		if (display == "" || display == number) && name == "MIT-MAGIC-COOKIE-1" && len(cookie) == 16 {
			return cookie, nil
		}
	}
	return nil, nil
}

// xgb has one logger for the whole process, and writes to stderr by default.
var xgbLog atomic.Pointer[slog.Logger]

type xgbWriter struct{}

func (xgbWriter) Write(b []byte) (int, error) {
	if l := xgbLog.Load(); l != nil {
		l.Debug("xgb: " + strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// rawEvent is an event of an extension. Which number stands for which event is
// the server's choice.
type rawEvent []byte

func (e rawEvent) Bytes() []byte  { return e }
func (e rawEvent) String() string { return fmt.Sprintf("event %d of an extension", e[0]&127) }

// rawError is an error of an extension.
type rawError []byte

func (e rawError) SequenceId() uint16 { return xgb.Get16(e[2:]) }
func (e rawError) BadId() uint32      { return xgb.Get32(e[4:]) }
func (e rawError) Error() string {
	return fmt.Sprintf("error %d of request %d.%d", e[1], e[10], xgb.Get16(e[8:]))
}

// The Init functions of xgb's extensions write the numbers of one server's
// events into maps that all connections of the process read without a lock.
// So this package calls none of them: it registers all numbers once, before
// there is a connection, and tells extensions' events apart by itself.
func init() {
	xgb.Logger = log.New(xgbWriter{}, "", 0)
	for n := 64; n < 128; n++ {
		xgb.NewEventFuncs[n] = func(b []byte) xgb.Event { return rawEvent(b) }
	}
	for n := 128; n < 256; n++ {
		xgb.NewErrorFuncs[n] = func(b []byte) xgb.Error { return rawError(b) }
	}
}
