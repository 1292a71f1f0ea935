package machine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// User is the ordinary user whom the desktop belongs to.
type User struct {
	Name   string
	UID    int
	GID    int
	Groups []int // supplementary
	Home   string
	Shell  string
}

// The user that is made when the image has none.
const (
	userName = "user"
	userID   = 1000
)

// userGroups are those that give the user of a desktop its devices, as far as
// the image has them.
var userGroups = []string{"audio", "video", "input", "render", "plugdev", "users"}

// sudoGroup is the group whose members may use sudo on most distributions.
const sudoGroup = "sudo"

// maxAccounts bounds each file of accounts.
const maxAccounts = 1 << 20

// accounts are the account files under a root directory. chown is os.Lchown
// but in tests that do not run as root.
type accounts struct {
	root  string
	chown func(name string, uid, gid int) error
}

// EnsureUser returns the user with the id 1000 or the name "user" of the system
// at root, and makes one with a home directory when there is none. With sudo
// the user that is made joins the group sudo.
func EnsureUser(root string, sudo bool) (User, error) {
	return accounts{root, os.Lchown}.ensure(sudo)
}

func (a accounts) ensure(sudo bool) (User, error) {
	u, err := a.find()
	if err != nil {
		return User{}, err
	}
	if u == nil {
		if u, err = a.create(sudo); err != nil {
			return User{}, fmt.Errorf("create user: %w", err)
		}
	}
	if u.Groups, err = a.groupsOf(u.Name); err != nil {
		return User{}, err
	}
	if err := a.ensureHome(*u); err != nil {
		return User{}, fmt.Errorf("make home of %s: %w", u.Name, err)
	}
	return *u, nil
}

// find returns nil when there is no such user.
func (a accounts) find() (*User, error) {
	rows, err := a.rows("passwd", 7)
	if err != nil {
		return nil, err
	}
	var named *User
	for _, f := range rows {
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 != nil || err2 != nil || uid <= 0 || gid < 0 {
			continue
		}
		u := &User{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]}
		if uid == userID {
			return u, nil
		}
		if u.Name == userName {
			named = u
		}
	}
	return named, nil
}

// create adds a user of its own group to the account files.
func (a accounts) create(sudo bool) (*User, error) {
	u := &User{Name: userName, UID: userID, Home: "/home/" + userName, Shell: "/bin/sh"}
	if _, err := os.Stat(filepath.Join(a.root, "bin/bash")); err == nil {
		u.Shell = "/bin/bash"
	}
	groups, err := a.rows("group", 4)
	if err != nil {
		return nil, err
	}
	want := userGroups
	if sudo {
		want = append(slices.Clone(want), sudoGroup)
	}
	own, taken := false, make(map[int]bool)
	for _, g := range groups {
		gid, err := strconv.Atoi(g[2])
		if err != nil {
			continue
		}
		taken[gid] = true
		if g[0] == userName {
			own, u.GID = true, gid
		}
		if slices.Contains(want, g[0]) {
			g[3] = strings.TrimPrefix(g[3]+","+userName, ",")
		}
	}
	if !own {
		u.GID = userID
		for taken[u.GID] {
			u.GID++
		}
		groups = append(groups, []string{userName, "x", strconv.Itoa(u.GID), ""})
	}
	if err := a.write("group", groups); err != nil {
		return nil, err
	}
	// An account without a row here is one that PAM does not know. The star is
	// no password that could match.
	if shadow, err := a.rows("shadow", 9); err == nil {
		if err := a.write("shadow", append(shadow, []string{userName, "*", "", "", "", "", "", "", ""})); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	users, err := a.rows("passwd", 7)
	if err != nil {
		return nil, err
	}
	row := []string{u.Name, "x", strconv.Itoa(u.UID), strconv.Itoa(u.GID), "", u.Home, u.Shell}
	return u, a.write("passwd", append(users, row))
}

func (a accounts) groupsOf(name string) ([]int, error) {
	rows, err := a.rows("group", 4)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, g := range rows {
		gid, err := strconv.Atoi(g[2])
		if err == nil && gid >= 0 && slices.Contains(strings.Split(g[3], ","), name) {
			ids = append(ids, gid)
		}
	}
	return ids, nil
}

// rows reads a file of /etc whose lines have n fields. Other lines are no
// accounts and are left out. An absent passwd or group is an empty one.
func (a accounts) rows(file string, n int) ([][]string, error) {
	f, err := os.Open(filepath.Join(a.root, "etc", file))
	if errors.Is(err, fs.ErrNotExist) && file != "shadow" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAccounts+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxAccounts {
		return nil, fmt.Errorf("/etc/%s is larger than %d bytes", file, maxAccounts)
	}
	return parseRows(string(b), n), nil
}

func parseRows(text string, n int) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == n && f[0] != "" {
			rows = append(rows, f)
		}
	}
	return rows
}

// write replaces a file of /etc, keeping its mode.
func (a accounts) write(file string, rows [][]string) error {
	name := filepath.Join(a.root, "etc", file)
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.Join(r, ":") + "\n")
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(b.String()), mode)
}
