package auth

import (
	"os"
	"strings"
	"testing"
)

func TestTokenFileIsReadAgain(t *testing.T) {
	path, first := tokenFile(t, "alice")
	tokens := openTokens(t, path)
	holds := func(token, want string) {
		t.Helper()
		id, ok := tokens.Recall(token)
		if ok != (want != "") || ok && id.Name != "token "+want {
			t.Errorf("the token is %q's, %v, want %q's", id.Name, ok, want)
		}
	}
	holds(first[0], "alice")

	// The new file is as long as the old one and may be of the same time.
	second, line, err := NewToken("alice")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, line)
	holds(first[0], "")
	holds(second, "alice")

	write(t, path, line+"\nbob sha256:12")
	holds(second, "alice") // what was right stays in force

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	holds(second, "")
	write(t, path, line)
	holds(second, "alice")
}

func TestParseTokens(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	other := strings.Repeat("0b", 32)
	for _, tt := range []struct{ file, err string }{
		{"", ""},
		{"# nobody yet\n\n", ""},
		{"a sha256:" + hash + " # Alice's laptop\nb\tsha256:" + other, ""},
		{"alice", "1: want a name and sha256:"},
		{"\n\nalice " + hash, "3: want a name and sha256:"},
		{"alice sha256:" + hash[2:], "1: want a name and sha256:"},
		{"alice sha256:" + hash[2:] + "xx", "1: want a name and sha256:"},
		{"alice sha256:" + hash + " bob", "1: want a name and sha256:"},
		{"ali/ce sha256:" + hash, "1: name \"ali/ce\" has a character"},
		{"a sha256:" + hash + "\na sha256:" + other, "2: a is there twice"},
		{"a sha256:" + hash + "\nb sha256:" + hash, "2: b has the token of another client"},
		{strings.Repeat("#", maxTokenFile+1), "1: the file is larger"},
	} {
		_, err := parseTokens([]byte(tt.file))
		if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%.80q: %v, want %q", tt.file, err, tt.err)
		}
	}
}

func TestOpenTokensSaysWhere(t *testing.T) {
	path, _ := tokenFile(t, "alice")
	write(t, path, "\nalice password")
	if _, err := OpenTokens(path, nil); err == nil || !strings.Contains(err.Error(), path+":2: want") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenTokens(path+".not", nil); err == nil {
		t.Error("a file that is not there is taken")
	}
}

func TestNewToken(t *testing.T) {
	token, line, err := NewToken("alice")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, token) || len(token) < 40 {
		t.Errorf("%q, %q", token, line)
	}
	for _, bad := range []string{"", "two words", "a#b", strings.Repeat("a", 65), "a\nb"} {
		if _, _, err := NewToken(bad); err == nil {
			t.Errorf("the name %q is taken", bad)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("alice sha256:" + strings.Repeat("0a", 32)))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTokens(data)
		if err != nil {
			return
		}
		for _, e := range entries {
			if checkName(e.name) != nil {
				t.Errorf("client %q", e.name)
			}
		}
	})
}
