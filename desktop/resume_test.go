package desktop

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// greeted says hello to a host with cfg and returns both ends.
func greeted(t *testing.T, cfg ClientConfig, hello Hello) (*Guest, error) {
	t.Helper()
	host, guest := net.Pipe()
	welcomed := make(chan error, 1)
	go func() {
		c, err := NewClient(t.Context(), host, cfg)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		welcomed <- err
	}()
	g, err := NewGuest(t.Context(), guest, hello)
	if hostErr := <-welcomed; err == nil {
		t.Cleanup(func() { g.Close() })
		err = hostErr
	}
	return g, err
}

func TestSavedGuestIsToldWhatItIsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boot := Boot{
			Token: "fresh", Port: 7, Hostname: "d2", Root: Root{Device: "/dev/vda", Type: "squashfs"},
			Screen: Size{4, 3}, Entropy: []byte{0, 1, 254, 255},
		}
		cfg := ClientConfig{Token: "fresh", Resume: &Resume{Token: testToken, Boot: boot}}

		g, err := greeted(t, cfg, testHello)
		if err != nil {
			t.Fatal(err)
		}
		boot.UnixTime = time.Now().UnixNano()
		if diff := cmp.Diff(&boot, g.Resume()); diff != "" {
			t.Errorf("resume of the saved guest (-want +got):\n%s", diff)
		}

		again := testHello
		again.Token = "fresh"
		if g, err = greeted(t, cfg, again); err != nil || g.Resume() != nil {
			t.Errorf("a guest that has resumed is greeted with %+v, %v", g, err)
		}
		if !g.Time().Equal(time.Now()) {
			t.Errorf("it is told that it is %v, and it is %v", g.Time(), time.Now())
		}

		again.Token = "another"
		if _, err = greeted(t, cfg, again); err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("a guest with neither token: %v, want a refusal", err)
		}
		cfg.Resume = nil
		cfg.Token = "fresh"
		if _, err = greeted(t, cfg, testHello); err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("a saved guest that nobody started: %v, want a refusal", err)
		}
	})
}

func TestWelcomeIsValidated(t *testing.T) {
	tests := []struct {
		name string
		w    Welcome
		want string
	}{
		{"plain", Welcome{}, ""},
		{"refusal", Welcome{Error: "no"}, ""},
		{"resume", Welcome{Resume: &Boot{Token: "t", Entropy: make([]byte, MaxEntropy)}}, ""},
		{"both", Welcome{Error: "no", Resume: &Boot{Token: "t"}}, "both"},
		{"no token", Welcome{Resume: &Boot{}}, "token of 0 bytes"},
		{"huge token", Welcome{Resume: &Boot{Token: strings.Repeat("t", maxToken+1)}}, "token of 257 bytes"},
		{"much entropy", Welcome{Resume: &Boot{Token: "t", Entropy: make([]byte, MaxEntropy+1)}}, "65 bytes of entropy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.w.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate: %v, want %q", err, tt.want)
			}
		})
	}
}
