package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const sudoersFile = "etc/sudoers.d/90-vmette"

// GrantSudo lets the user do everything without a password, if the system at
// root has sudo. The virtual machine is the boundary, not the user.
func GrantSudo(root string, u User) error {
	name := filepath.Join(root, sudoersFile)
	if _, err := os.Stat(filepath.Dir(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// sudo refuses a file that others may write, so no umask is relied on.
	return os.WriteFile(name, []byte(u.Name+" ALL=(ALL:ALL) NOPASSWD: ALL\n"), 0o440)
}

// RevokeSudo takes the file of [GrantSudo] away. That alone does not bind an
// image that grants in a way of its own: see [ForbidPrivileges].
func RevokeSudo(root string) error {
	err := os.Remove(filepath.Join(root, sudoersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
