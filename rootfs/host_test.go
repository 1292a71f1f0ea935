package rootfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSubordinateFix(t *testing.T) {
	for _, tt := range []struct{ name, subuid, subgid, want string }{
		{"nothing given", "", "", "100000-165535"},
		{"first range given", "ann:100000:65536\n", "ann:100000:65536\n", "165536-231071"},
		{"given to a group alone", "", "ann:100000:65536\n", "165536-231071"},
		{"a gap that is large enough", "ann:100000:65536\nbob:400000:65536\n", "", "165536-231071"},
		{"a gap that is too small", "ann:100000:65536\nbob:200000:65536\n", "", "265536-331071"},
		{"ranges that overlap", "ann:90000:900000\nbob:100000:1\n", "", "990000-1055535"},
		{"the end of all identities given", "ann:4294901760:65536\n", "", "100000-165535"},
		{"lines that are none", "# ann\nann:x:y\nann:-1:5\nann:1\n", "", "100000-165535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			subuid, subgid := filepath.Join(dir, "subuid"), filepath.Join(dir, "subgid")
			if err := os.WriteFile(subuid, []byte(tt.subuid), 0o644); err != nil {
				t.Fatal(err)
			}
			if tt.subgid != "" {
				if err := os.WriteFile(subgid, []byte(tt.subgid), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := "sudo usermod --add-subuids " + tt.want + " --add-subgids " + tt.want + " me"
			if got := subordinateFix("me", subuid, subgid); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
