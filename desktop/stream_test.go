package desktop

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

func TestStream(t *testing.T) {
	tests := []struct {
		name        string
		kind, token string
		refused     bool
	}{
		{"output", ConnStdout, "right", false},
		{"another token", ConnStdout, "wrong", true},
		{"a desktop's", ConnControl, "right", true},
		{"none that exists", "x11", "right", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host, guest := net.Pipe()
			defer host.Close()
			opened := make(chan error, 1)
			go func() { opened <- openUnchecked(t.Context(), guest, tt.kind, tt.token) }()
			kind, err := AcceptStream(t.Context(), host, "right")
			if tt.refused != (err != nil) || err == nil && kind != tt.kind {
				t.Errorf("AcceptStream: %q, %v", kind, err)
			}
			var refusal *RefusedError
			if err := <-opened; tt.refused != errors.As(err, &refusal) {
				t.Errorf("the guest got %v, want a refusal: %v", err, tt.refused)
			}
		})
	}
}

// openUnchecked is OpenStream for a guest that says what it likes.
func openUnchecked(ctx context.Context, conn net.Conn, kind, token string) error {
	if err := (Hello{Token: token, Connection: kind}).Validate(); err == nil {
		return OpenStream(ctx, conn, kind, "test", token)
	}
	screen := "[0,0]"
	if kind == ConnControl {
		screen = "[640,480]"
	}
	header := `{"protocol":1,"agent":"test","token":"` + token + `","connection":"` + kind + `","screen":` + screen + `}`
	if err := WriteFrame(conn, 0, []byte(header), nil); err != nil {
		return err
	}
	m, err := readGreeting(conn)
	if err != nil {
		return err
	}
	var w Welcome
	if err := Unmarshal(m.Header, &w); err != nil || w.Error == "" {
		return err
	}
	return &RefusedError{w.Error}
}

func TestWorkloadValidate(t *testing.T) {
	tests := []struct {
		name string
		w    Workload
		want string
	}{
		{"no command", Workload{}, "no command"},
		{"empty program", Workload{Args: []string{""}}, "no command"},
		{"zero byte", Workload{Args: []string{"a\x00b"}}, "zero byte"},
		{"variable without a name", Workload{Args: []string{"a"}, Env: []string{"=b"}}, "NAME=VALUE"},
		{"variable without a value", Workload{Args: []string{"a"}, Env: []string{"secret"}}, "NAME=VALUE"},
		{"relative directory", Workload{Args: []string{"a"}, Dir: "b"}, "not absolute"},
		{"too long", Workload{Args: []string{"a", strings.Repeat("b", MaxWorkload)}}, "over the limit"},
		{"no terminal", Workload{Args: []string{"a"}, Terminal: &TerminalSize{0, 24}}, "terminal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.w.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the environment: %v", err)
			}
		})
	}
}

func TestOrderValidate(t *testing.T) {
	for _, o := range []Order{{}, {Signal: "TERM"}, {Signal: "SIG"}, {Signal: "SIGterm"}, {Signal: "SIGTERM", Size: &TerminalSize{80, 24}}, {Size: &TerminalSize{80, 1 << 16}}} {
		if o.Validate() == nil {
			t.Errorf("%+v is let pass", o)
		}
	}
}
