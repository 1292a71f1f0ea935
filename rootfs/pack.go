package rootfs

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// sourceDateEpoch is the time of every file in an image that would otherwise
// have the time of the build, in seconds since 1970: 2025-01-01.
const sourceDateEpoch = 1735689600

// rootFormat and packOptions are the outcome of the measurements in
// docs/images.md. What mksquashfs reads from a pipe has no root directory of its
// own: it would let everybody write there.
const (
	rootFormat = "squashfs"
	rootFile   = "root.squashfs"
)

var packOptions = []string{"-comp", "lz4", "-b", "128K", "-no-exports", "-root-mode", "755"}

// pack makes the root file system in dir of the tar stream that write writes.
// The packer sees the end of its input only when write has succeeded; when one
// of them fails, the other is stopped, and the error is that of the first.
//
// newest, in seconds since 1970, is the time of the image itself and of its root
// directory, and the latest that a file can have. It must not be earlier than
// that of any file that programs compare with what they noted in a cache.
func pack(ctx context.Context, dir, scratch string, newest int64, in func(io.Reader) io.Reader, write func(context.Context, io.Writer) error) error {
	pr, pw := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	unblock := context.AfterFunc(ctx, func() {
		pr.CloseWithError(context.Cause(ctx))
		pw.CloseWithError(context.Cause(ctx))
	})
	defer unblock()
	group.Go(func() error {
		if err := write(ctx, pw); err != nil {
			return err
		}
		return pw.Close()
	})
	group.Go(func() error {
		args := append([]string{"-", filepath.Join(dir, rootFile), "-tar", "-quiet", "-no-progress"}, packOptions...)
		mksquashfs := tool{name: "mksquashfs", args: args, env: buildEnviron(scratch, newest), stdin: in(pr)}
		return mksquashfs.run(ctx)
	})
	return group.Wait()
}

// buildEnviron is the environment of a build's tools. Debian's tools and
// mksquashfs understand the time in it alike.
func buildEnviron(scratch string, newest int64) []string {
	return append(toolEnviron(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(newest, 10), "TMPDIR="+scratch, "LC_ALL=C.UTF-8")
}

// toolEnviron is what the tools see of this process's environment: what they
// need to be found and to reach a mirror. The rest may hold secrets, and
// packages' scripts and the errors of a build are no place for those.
func toolEnviron() []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "USER",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
