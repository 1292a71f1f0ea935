package qemu

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/ring"
)

// shareServers are where distributions have the program that serves a directory to
// a guest, beside PATH. It is QEMU's or, in later ones, a package of its own; both
// take what is said here.
var shareServers = []string{"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"}

// shareScript makes the directory $1 read-only in a mount namespace of its own and
// becomes the program that follows.
const shareScript = `mount --bind -- "$1" "$1" && mount -o remount,bind,ro -- "$1" && shift && exec "$@"`

// openShares starts what serves the machine's shares. Each server takes one
// connection, QEMU's, and ends with it.
func (m *machine) openShares(context.Context) error {
	shares := m.cfg.SharedDirectories()
	if len(shares) == 0 {
		return nil
	}
	server, err := findShareServer()
	if err != nil {
		return err
	}
	for _, s := range shares {
		if err := m.openShare(server, s); err != nil {
			m.closeShares()
			return fmt.Errorf("share %s: %w", s.Tag, err)
		}
	}
	return nil
}

// CanShare implements [sandbox.Sharer]. It tries what a share takes of the host, but for
// the program that serves it.
func (b *Backend) CanShare(ctx context.Context, dir string) error {
	if _, err := findShareServer(); err != nil {
		return err
	}
	dir, err := resolveShare(dir)
	if err != nil {
		return err
	}
	cmd, err := inNamespaces(readOnly(dir, []string{"true"}))
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	trial := exec.CommandContext(limited, cmd.Path, cmd.Args[1:]...)
	trial.SysProcAttr = cmd.SysProcAttr
	said, err := trial.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: to share a directory takes namespaces of users and mounts, which this host refuses: %w: %s", sandbox.ErrUnsupported, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// trialLimit is how long it may take to see whether a directory can be shared.
const trialLimit = 10 * time.Second

// readOnly returns the command that runs args where nobody can write to dir, in a
// mount namespace of its own.
func readOnly(dir string, args []string) []string {
	return append([]string{"/bin/sh", "-c", shareScript, "sh", dir}, args...)
}

func findShareServer() (string, error) {
	if file, err := exec.LookPath("virtiofsd"); err == nil {
		return file, nil
	}
	for _, file := range shareServers {
		if unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%w: to share a directory takes virtiofsd: apt-get install virtiofsd, or on Debian 12 qemu-system-common", sandbox.ErrUnsupported)
}

// openShare serves a directory on a socket, whose other end goes into files.
func (m *machine) openShare(server string, s sandbox.ShareMount) error {
	dir, err := resolveShare(s.Path)
	if err != nil {
		return err
	}
	args := []string{server, fmt.Sprintf("--fd=%d", firstFD), "-o", "source=" + dir, "-o", "cache=auto", "-f"}
	if s.ReadOnly {
		args = readOnly(dir, args)
	}
	cmd, err := inNamespaces(args)
	if err != nil {
		return err
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	said := ring.New(stderrSize)
	cmd.Stderr = said
	listener, theirs, err := connected(m.dir)
	if err != nil {
		return err
	}
	defer listener.Close()
	fd := m.files.add(theirs)
	c, err := startChild(cmd, []*os.File{listener}, childOptions{})
	if err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	m.shares = append(m.shares, shareServer{child: c, said: said, tag: s.Tag})
	m.cmd.shares = append(m.cmd.shares, directory{fd: fd, tag: s.Tag})
	return nil
}

// resolveShare returns the path of a directory without links: only the one that is
// there now is meant.
func resolveShare(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	}
	if fi, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	} else if !fi.IsDir() {
		return "", fmt.Errorf("%w: %s is not a directory", sandbox.ErrInvalidConfig, dir)
	}
	if strings.ContainsAny(dir, `,\`) {
		return "", fmt.Errorf("%w: virtiofsd takes no comma or backslash in a path, and %s has one: share a directory above it", sandbox.ErrInvalidConfig, dir)
	}
	return dir, nil
}

// connected returns a listening socket and a connection to it, which waits to be
// accepted. The socket's name, in dir, is removed: nobody else can connect.
func connected(dir string) (listener, conn *os.File, err error) {
	fail := func(err error) (*os.File, *os.File, error) {
		if listener != nil {
			listener.Close()
		}
		return nil, nil, fmt.Errorf("open socket of a share: %w", err)
	}
	// The name of a socket has at most 107 bytes (unix(7)), a directory may have more.
	d, err := os.Open(dir)
	if err != nil {
		return fail(err)
	}
	defer d.Close()
	name := filepath.Join(fdPath(int(d.Fd())), "share")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	defer l.Close() // File duplicates it, and Close removes the name
	if listener, err = l.File(); err != nil {
		return fail(err)
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	if conn, err = c.File(); err != nil {
		return fail(err)
	}
	return listener, conn, nil
}

// inNamespaces returns the command that runs args as root of a user namespace with
// a mount namespace of its own. Nobody there makes a device file, which on a share
// would be one of the host, whatever the guest's root asks for.
func inNamespaces(args []string) (*exec.Cmd, error) {
	if os.Geteuid() != 0 {
		if err := canMapIDs(); err != nil {
			return nil, err
		}
		return exec.Command("unshare", append([]string{"--user", "--map-root-user", "--map-auto", "--mount", "--"}, args...)...), nil
	}
	uids, err := sameIDs("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	gids, err := sameIDs("/proc/self/gid_map")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER,
		Unshareflags:               syscall.CLONE_NEWNS,
		UidMappings:                uids,
		GidMappings:                gids,
		GidMappingsEnableSetgroups: true,
	}
	return cmd, nil
}

// canMapIDs reports whether this user can have a namespace with more users than one.
// What serves a share gives up this user's other groups: in a namespace that a user
// may map by itself, nobody can (user_namespaces(7)).
func canMapIDs() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return fmt.Errorf("%w: to share a directory takes newuidmap for users other than root: apt-get install uidmap", sandbox.ErrUnsupported)
	}
	return nil
}

// sameIDs returns the mapping that leaves all ids of this process's user namespace
// what they are, given its own (user_namespaces(7)).
func sameIDs(name string) ([]syscall.SysProcIDMap, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read ids of this namespace: %w", err)
	}
	var ids []syscall.SysProcIDMap
	for line := range strings.Lines(string(data)) {
		var first, parent, n int
		if _, err := fmt.Sscan(line, &first, &parent, &n); err != nil {
			return nil, fmt.Errorf("read ids of this namespace: %q: %w", line, err)
		}
		ids = append(ids, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: n})
	}
	return ids, nil
}

// shareServer is the program that serves one share.
type shareServer struct {
	*child
	said *ring.Ring
	tag  string
}

// closeShares ends what serves the shares, which has nothing to do any more. What
// one said that ended before that is kept.
func (m *machine) closeShares() {
	for _, s := range m.shares {
		failed := s.dead()
		s.kill()
		err := s.wait()
		said := strings.TrimSpace(string(s.said.Bytes()))
		m.log.Debug("share server ended", "share", s.tag, "err", err, "said", said)
		if failed && err != nil {
			m.shareErr = fmt.Errorf("what serves share %s ended: %w: %s", s.tag, err, said)
		}
	}
	m.shares = nil
}
