package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// tree makes a root directory of a txtar archive.
func tree(t *testing.T, archive string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// owners collects who is made the owner of what.
type owners map[string]string

func (o owners) in(root string) accounts {
	return accounts{root, func(name string, uid, gid int) error {
		rel, err := filepath.Rel(root, name)
		o[rel] = fmt.Sprintf("%d:%d", uid, gid)
		return err
	}}
}

const debian = `
-- etc/passwd --
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
-- etc/group --
root:x:0:
sudo:x:27:
audio:x:29:pulse
video:x:44:
users:x:100:
-- etc/shadow --
root:*:19000:0:99999:7:::
-- etc/skel/.profile --
PATH=$PATH
-- etc/skel/.config/app --
setting
-- bin/bash --
`

func TestEnsureUserMakesOne(t *testing.T) {
	root := tree(t, debian)
	owner := make(owners)
	got, err := owner.in(root).ensure(true)
	if err != nil {
		t.Fatal(err)
	}
	want := User{Name: "user", UID: 1000, GID: 1000, Groups: []int{27, 29, 44, 100}, Home: "/home/user", Shell: "/bin/bash"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, line := range map[string]string{
		"etc/passwd": "user:x:1000:1000::/home/user:/bin/bash\n",
		"etc/group":  "user:x:1000:\n",
		"etc/shadow": "user:*:::::::\n",
	} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !strings.HasSuffix(string(b), line) {
			t.Errorf("%s does not end with %q: %q, %v", name, line, b, err)
		}
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s has another mode than before: %v, %v", name, info.Mode(), err)
		}
	}
	wantOwners := owners{"home/user": "1000:1000", "home/user/.profile": "1000:1000", "home/user/.config": "1000:1000", "home/user/.config/app": "1000:1000"}
	if diff := cmp.Diff(wantOwners, owner); diff != "" {
		t.Error(diff)
	}
	if b, err := os.ReadFile(filepath.Join(root, "home/user/.config/app")); err != nil || string(b) != "setting\n" {
		t.Errorf("the home lacks what the skeleton has: %q, %v", b, err)
	}

	again, err := owner.in(root).ensure(true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the second time: %s", diff)
	}
}

func TestEnsureUserWithoutSudoJoinsNoSuchGroup(t *testing.T) {
	got, err := make(owners).in(tree(t, debian)).ensure(false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{29, 44, 100}, got.Groups); diff != "" {
		t.Error(diff)
	}
}

func TestEnsureUserTakesTheOneThatIsThere(t *testing.T) {
	tests := []struct {
		name, passwd, group string
		want                User
	}{
		{
			name:   "by its id",
			passwd: "root:x:0:0::/root:/bin/sh\nuser:x:1001:1001::/home/user:/bin/sh\nalice:x:1000:100:Alice:/home/alice:/bin/zsh\n",
			group:  "users:x:100:\nvideo:x:44:bob,alice\naudio:x:29:malice\n",
			want:   User{Name: "alice", UID: 1000, GID: 100, Groups: []int{44}, Home: "/home/alice", Shell: "/bin/zsh"},
		},
		{
			name:   "by its name",
			passwd: "user:x:1001:1002::/home/u:/bin/sh\n",
			want:   User{Name: "user", UID: 1001, GID: 1002, Home: "/home/u", Shell: "/bin/sh"},
		},
		{
			name:   "but never root, and no line that is no account",
			passwd: "user:x:0:0::/root:/bin/sh\nnonsense\nx:x:1000:1000\n",
			group:  "user:x:1000:\nother:x:1001\n",
			want:   User{Name: "user", UID: 1000, GID: 1000, Home: "/home/user", Shell: "/bin/sh"},
		},
		{
			name:   "or makes one whose group id is free",
			passwd: "",
			group:  "dialout:x:1000:\nkvm:x:1001:\n",
			want:   User{Name: "user", UID: 1000, GID: 1002, Home: "/home/user", Shell: "/bin/sh"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, "-- etc/passwd --\n"+tt.passwd+"-- etc/group --\n"+tt.group)
			got, err := make(owners).in(root).ensure(true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnsureUserRefusesHugeFiles(t *testing.T) {
	root := tree(t, debian)
	if err := os.WriteFile(filepath.Join(root, "etc/passwd"), make([]byte, maxAccounts+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := make(owners).in(root).ensure(true); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("ensure: %v, want the file to be too large", err)
	}
}

func TestSudo(t *testing.T) {
	root := tree(t, "-- etc/sudoers.d/README --\n")
	name := filepath.Join(root, sudoersFile)
	if err := GrantSudo(root, User{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil || string(b) != "alice ALL=(ALL:ALL) NOPASSWD: ALL\n" {
		t.Errorf("sudoers file is %q, %v", b, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o440 {
		t.Errorf("sudoers file has mode %v, %v", info.Mode(), err)
	}
	for range 2 {
		if err := RevokeSudo(root); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("sudoers file after its removal: %v", err)
	}
	if err := GrantSudo(t.TempDir(), User{Name: "alice"}); err != nil {
		t.Errorf("a system without sudo: %v", err)
	}
}

func FuzzParseRows(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n\n:::::: \nx", 7)
	f.Fuzz(func(t *testing.T, text string, n int) {
		for _, r := range parseRows(text, n) {
			if len(r) != n || r[0] == "" || strings.ContainsAny(strings.Join(r, ""), ":\n") {
				t.Errorf("parseRows(%q) gave the row %q", text, r)
			}
		}
	})
}
