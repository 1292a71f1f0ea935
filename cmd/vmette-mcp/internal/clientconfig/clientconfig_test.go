package clientconfig

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestFor compares what each client is told with testdata, one file a client.
func TestFor(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s, err := For(name, []string{"/opt/my tools/vmette-mcp", "serve", "--memory", "4096"})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			got := s.Where + "\n\n" + s.Text
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("snippet (-want +got):\n%s", diff)
			}
			if name != "claude-code" && !json.Valid([]byte(s.Text)) {
				t.Errorf("not JSON:\n%s", s.Text)
			}
		})
	}
}

func TestForWithoutArguments(t *testing.T) {
	s, err := For("cursor", []string{"/bin/vmette-mcp"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"args": []`; !strings.Contains(s.Text, want) {
		t.Errorf("no %s, which some clients insist on, in:\n%s", want, s.Text)
	}
}

func TestForUnknown(t *testing.T) {
	_, err := For("emacs", []string{"/bin/vmette-mcp"})
	want := `client "emacs" is not known: use one of claude-desktop, claude-code, claude-code-project, cursor, vscode`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/bin/x": "/usr/bin/x",
		"":           "''",
		"a b":        "'a b'",
		"it's":       `'it'\''s'`,
		"$HOME":      "'$HOME'",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
