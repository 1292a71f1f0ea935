package files

import (
	"context"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// chunk is how much is read between two looks at whether it is still wanted.
const chunk = 1 << 20

// Read returns what the file is and the part of it that a asks for. The size is
// that after the reading; of files whose size the kernel does not tell, as in
// /proc, it is where the reading ended.
func (d Disk) Read(ctx context.Context, a desktop.ReadFile) (desktop.File, []byte, error) {
	path := d.path(a.Path)
	f, err := openRegular(path, syscall.O_RDONLY)
	if err != nil {
		return desktop.File{}, nil, problem("read", path, err)
	}
	defer f.Close()
	// The kernel's own files can make a reader wait. Others cannot have deadlines,
	// and do not need them.
	defer context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })()
	data, err := readRange(ctx, f, a.Offset, a.Length)
	if ctx.Err() != nil {
		return desktop.File{}, nil, desktop.Errorf(desktop.CodeCancelled, "the reading of %q was stopped", path)
	}
	if err != nil {
		return desktop.File{}, nil, problem("read", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return desktop.File{}, nil, problem("read", path, err)
	}
	file := describe(info, new(owners))
	file.Name = realPath(path)
	if len(data) > 0 {
		file.Size = max(file.Size, a.Offset+int64(len(data)))
	}
	return file, data, nil
}

// openRegular opens a file if it is a regular one. What is not is never opened,
// unless it takes a file's place in this moment: then opening it does not block.
func openRegular(path string, flags int) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, irregular(path, info)
	}
	f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = irregular(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readRange reads length bytes from offset on, fewer at the end of the file.
func readRange(ctx context.Context, f *os.File, offset int64, length int) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, err
		}
	}
	if length == 0 {
		length = desktop.MaxFile
	}
	// One byte more than there should be, to find the end without growing.
	there := max(0, info.Size()-offset) + 1
	data := make([]byte, 0, min(int64(length), there))
	for len(data) < length && ctx.Err() == nil {
		if len(data) == cap(data) {
			data = slices.Grow(data, min(length-len(data), max(4096, len(data))))
		}
		room := min(cap(data), length, len(data)+chunk)
		n, err := f.Read(data[len(data):room])
		data = data[:len(data)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}
