package x11

import (
	"os/exec"
	"testing"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// stateText has what layouts have in other places or not at all.
const stateText = "zyZY qwQW aA;: 1!2\"7/{[]}@\\|~^`´ ß ü é ñ я Я ы 字\n€ done\t."

// The text is the same whatever the keyboard's layout and locks are.
func TestTypingWhateverTheKeyboard(t *testing.T) {
	layouts := []struct {
		name string
		args []string
	}{
		{"us", []string{"us"}},
		{"German", []string{"de"}},
		{"German without dead keys", []string{"de", "nodeadkeys"}},
		{"French", []string{"fr"}},
		{"Russian", []string{"ru"}},
		{"Greek", []string{"gr"}},
		{"Dvorak", []string{"us", "dvorak"}},
		{"US and Russian, US on", []string{"us,ru", "-option", "grp:caps_toggle"}},
	}
	eachApplication(t, func(t *testing.T, app *oracle.App, d *Display) {
		for _, l := range layouts {
			t.Run(l.name, func(t *testing.T) {
				setLayout(t, d, l.args...)
				typeExactly(t, app, d, stateText)
			})
		}
		key := func(t *testing.T, name string) {
			t.Helper()
			if err := d.Key(t.Context(), desktop.Key{Keys: name}); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("US and Russian, Russian on", func(t *testing.T) {
			key(t, "ISO_Next_Group")
			if group, err := d.layout(); group != 1 || err != nil {
				t.Fatalf("layout %d is on, %v; want 1", group, err)
			}
			typeExactly(t, app, d, stateText)
			key(t, "ISO_Next_Group")
			typeExactly(t, app, d, stateText)
		})
		setLayout(t, d, "us", "-option")
		for _, lock := range []string{"Caps_Lock", "Num_Lock"} {
			t.Run(lock, func(t *testing.T) {
				before := lockMask(t, d)
				key(t, lock)
				if lockMask(t, d) == before {
					t.Fatalf("%s changes no modifier", lock)
				}
				typeExactly(t, app, d, stateText)
				key(t, lock)
				typeExactly(t, app, d, stateText)
			})
		}
		for _, chord := range []string{"shift", "ctrl", "alt", "ctrl+shift"} {
			t.Run("holding "+chord, func(t *testing.T) {
				if err := d.KeyDown(t.Context(), desktop.KeyDown{Keys: chord}); err != nil {
					t.Fatal(err)
				}
				before := lockMask(t, d)
				if err := d.Type(t.Context(), desktop.Type{Text: stateText}); err != nil {
					t.Fatal(err)
				}
				if after := lockMask(t, d); after != before {
					t.Errorf("the modifiers are %#x after the text, before it %#x", after, before)
				}
				if err := d.KeyUp(t.Context(), desktop.KeyUp{Keys: chord}); err != nil {
					t.Fatal(err)
				}
				got, err := app.Text(t.Context(), driver(d))
				if err != nil {
					t.Fatal(err)
				}
				if got != stateText {
					t.Errorf("it holds %q, want %q", got, stateText)
				}
				if _, err := app.Clear(t.Context(), driver(d)); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

// setLayout changes the layout of the keyboard.
func setLayout(t *testing.T, d *Display, args ...string) {
	t.Helper()
	if out, err := exec.Command("setxkbmap", append([]string{"-display", ":" + d.settling.machine.display}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("setxkbmap %q: %v\n%s", args, err, out)
	}
}

// lockMask returns which modifiers are on.
func lockMask(t *testing.T, d *Display) uint16 {
	t.Helper()
	state, err := await(d, xproto.QueryPointer(d.conn, d.root))
	if err != nil {
		t.Fatal(err)
	}
	return state.Mask
}
