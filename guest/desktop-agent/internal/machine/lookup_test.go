package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookupUser(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/bash\nwww:x:33:34::/var/www:/bin/false\nbad:x:-1:0::/:/bin/sh\n",
		"group":  "root:x:0:\nwww:x:34:\nadm:x:4:www,root\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	www := User{Name: "www", UID: 33, GID: 34, Groups: []int{4}, Home: "/var/www", Shell: "/bin/false"}
	tests := []struct {
		spec string
		want User // the zero value: there is none
	}{
		{"", User{Name: "root", Home: "/root", Shell: "/bin/bash", Groups: []int{4}}},
		{"www", www},
		{"33", www},
		{"www:adm", User{Name: "www", UID: 33, GID: 4, Home: "/var/www", Shell: "/bin/false"}},
		{"33:7", User{Name: "www", UID: 33, GID: 7, Home: "/var/www", Shell: "/bin/false"}},
		{"1234", User{UID: 1234, Home: "/", Shell: "/bin/sh"}},
		{"1234:www", User{UID: 1234, GID: 34, Home: "/", Shell: "/bin/sh"}},
		{"nobody", User{}},
		{"www:nobody", User{}},
		{"bad", User{}},
		{"-1", User{}},
		{"4294967296", User{}},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			got, err := LookupUser(root, tt.spec)
			if (err != nil) != (tt.want.Home == "") {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
			if err == nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	t.Run("without accounts", func(t *testing.T) {
		want := User{Name: "root", Home: "/root", Shell: "/bin/sh"}
		if got, err := LookupUser(t.TempDir(), ""); err != nil || !cmp.Equal(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}
