package rootfs

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tool is something of the host that a build needs.
type Tool struct {
	Name    string // program or file
	Package string // Debian and Ubuntu package that has it; empty when Fix is no installation
	Fix     string // command that mends it
}

// MissingError reports that the host lacks tools to build an image.
type MissingError struct{ Tools []Tool }

// Error says what is missing and how to mend it.
func (e *MissingError) Error() string {
	var names, fixes, packages []string
	for _, t := range e.Tools {
		names = append(names, t.Name)
		if t.Package != "" {
			packages = append(packages, t.Package)
		} else {
			fixes = append(fixes, t.Fix)
		}
	}
	if len(packages) > 0 {
		fixes = append(fixes, "sudo apt-get install "+strings.Join(packages, " "))
	}
	return fmt.Sprintf("this host lacks %s: run %s", strings.Join(names, ", "), strings.Join(fixes, " && "))
}

// debianKeyring holds the keys that Debian's archive is signed with.
var debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Missing returns what this host lacks to build an image; nothing when it can.
func Missing() []Tool {
	var missing []Tool
	need := func(ok bool, name, pkg string) {
		if !ok {
			missing = append(missing, Tool{Name: name, Package: pkg, Fix: "sudo apt-get install " + pkg})
		}
	}
	need(onPath("mmdebstrap"), "mmdebstrap", "mmdebstrap")
	need(onPath("mksquashfs"), "mksquashfs", "squashfs-tools")
	_, err := os.Stat(debianKeyring)
	need(err == nil, debianKeyring, "debian-archive-keyring")
	if os.Geteuid() == 0 {
		return missing
	}
	need(onPath("newuidmap"), "newuidmap", "uidmap")
	if u, err := user.Current(); err == nil {
		for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
			if !hasRange(file, u) {
				missing = append(missing, Tool{
					Name: file + " entry for " + u.Username,
					Fix:  subordinateFix(u.Username, "/etc/subuid", "/etc/subgid"),
				})
				break
			}
		}
	}
	return missing
}

// missingPacker returns what this host lacks to make an image of files that are
// there.
func missingPacker() []Tool {
	return slices.DeleteFunc(Missing(), func(t Tool) bool { return t.Name != "mksquashfs" })
}

func onPath(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// hasRange reports whether file gives u identities of its own.
func hasRange(file string, u *user.User) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, _, _ := strings.Cut(lines.Text(), ":")
		if name == u.Username || name == u.Uid {
			return true
		}
	}
	return false
}

// Subordinate identities are given out in ranges of this many, the first of
// which begins here, as useradd does.
const (
	subordinateCount = 65536
	subordinateFirst = 100_000
)

// subordinateFix returns the command that gives user identities which none of
// files, in the format of subuid(5), gives to anybody yet.
func subordinateFix(user string, files ...string) string {
	type interval struct{ start, end int64 }
	var given []interval
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it is not there: nothing is given
		}
		for line := range strings.Lines(string(b)) {
			fields := strings.Split(strings.TrimSpace(line), ":")
			if len(fields) != 3 {
				continue
			}
			start, err1 := strconv.ParseUint(fields[1], 10, 32)
			count, err2 := strconv.ParseUint(fields[2], 10, 32)
			if err1 == nil && err2 == nil {
				given = append(given, interval{int64(start), int64(start + count)})
			}
		}
	}
	slices.SortFunc(given, func(a, b interval) int { return cmp.Compare(a.start, b.start) })
	first := int64(subordinateFirst)
	for _, g := range given {
		if g.start >= first+subordinateCount {
			break
		}
		first = max(first, g.end)
	}
	free := fmt.Sprintf("%d-%d", first, first+subordinateCount-1)
	return fmt.Sprintf("sudo usermod --add-subuids %s --add-subgids %[1]s %s", free, user)
}

// buildMode returns how mmdebstrap is to work: in namespaces of its own, so
// that its mounts end with it, unless this is root without the right to mount,
// as in a container.
func buildMode() string {
	if os.Geteuid() == 0 && exec.Command("unshare", "--mount", "--pid", "--fork", "true").Run() != nil {
		return "root"
	}
	return "unshare"
}

// scratchLink is a symbolic link in the work directory to a scratch directory
// outside of it.
const scratchLink = "scratch"

// makeScratch returns a directory in which mmdebstrap can unpack. For root it
// lies in the work directory. Another user's build runs under identities that
// cannot look into a home directory, so it is a public place.
func makeScratch(work string) (string, error) {
	if os.Geteuid() == 0 {
		dir := filepath.Join(work, scratchLink)
		return dir, os.Mkdir(dir, 0o755)
	}
	dir, err := os.MkdirTemp("/var/tmp", "vmette-")
	if err != nil {
		return "", fmt.Errorf("make scratch directory: %w", err)
	}
	if err := os.Symlink(dir, filepath.Join(work, scratchLink)); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, os.Chmod(dir, 0o777|fs.ModeSticky)
}

// removeScratch removes the scratch directory of the build in work.
func removeScratch(work string) error {
	dir, err := os.Readlink(filepath.Join(work, scratchLink))
	if err != nil {
		return nil // it lies in work, or was never made
	}
	if os.RemoveAll(dir) == nil {
		return nil
	}
	// What is left belongs to the build's identities.
	out, err := exec.Command("mmdebstrap", "--unshare-helper", "find", dir, "-mindepth", "1", "-delete").CombinedOutput()
	if err != nil {
		return fmt.Errorf("empty %s: %w: %s", dir, err, out)
	}
	return os.RemoveAll(dir)
}
