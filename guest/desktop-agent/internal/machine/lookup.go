package machine

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// LookupUser returns the user of the system at root that spec names: USER or
// USER:GROUP, each a name or a number, as the OCI image specification has it
// (config.md, "User"). An empty spec is root. A number need not be in the files
// of accounts; a name must.
func LookupUser(root, spec string) (User, error) { return accounts{root, os.Lchown}.lookup(spec) }

func (a accounts) lookup(spec string) (User, error) {
	name, group, grouped := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	users, err := a.rows("passwd", 7)
	if err != nil {
		return User{}, err
	}
	u := User{Home: "/", Shell: "/bin/sh"}
	row := slices.IndexFunc(users, func(f []string) bool { return f[0] == name || f[2] == name })
	switch id, err := strconv.Atoi(name); {
	case row >= 0:
		f := users[row]
		uid, err1 := strconv.ParseUint(f[2], 10, 31)
		gid, err2 := strconv.ParseUint(f[3], 10, 31)
		if err1 != nil || err2 != nil {
			return User{}, fmt.Errorf("user %q has no valid numbers in /etc/passwd", name)
		}
		u.Name, u.UID, u.GID = f[0], int(uid), int(gid)
		u.Home, u.Shell = f[5], f[6]
		if u.Groups, err = a.groupsOf(u.Name); err != nil {
			return User{}, err
		}
	case err == nil && id >= 0 && id < 1<<31:
		u.UID = id
		if id == 0 {
			u.Name, u.Home = "root", "/root"
		}
	default:
		return User{}, fmt.Errorf("the image has no user %q", name)
	}
	if grouped {
		if u.GID, err = a.lookupGroup(group); err != nil {
			return User{}, err
		}
		u.Groups = nil
	}
	return u, nil
}

func (a accounts) lookupGroup(name string) (int, error) {
	groups, err := a.rows("group", 4)
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		if g[0] == name {
			name = g[2]
			break
		}
	}
	id, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("the image has no group %q", name)
	}
	return int(id), nil
}
