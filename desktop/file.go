package desktop

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

const (
	MaxFile     = MaxPayload // bytes of a file in one [ReadFile] or [WriteFile]
	MaxFilePath = 4096       // bytes of a path: Linux's PATH_MAX
	MaxFiles    = 1000       // entries in one answer to a [ListFiles]
)

// ReadFile answers Length bytes of a file from Offset on as Data, fewer at its
// end, and what the file is as File. A Length of zero means as many as there are,
// up to [MaxFile].
type ReadFile struct {
	Path   string `json:"path" doc:"Absolute, or relative to the home directory. ~ is the home directory."`
	Offset int64  `json:"offset,omitempty" doc:"The byte to begin at."`
	Length int    `json:"length,omitempty" arg:",positive" doc:"How many bytes to read at most."`
}

// WriteFile writes Data to a file, which is the desktop user's, and answers what
// it then is as File. Without Offset the file is replaced whole and at once:
// whoever reads it sees the old content or the new. With Offset that part of an
// existing file is overwritten or appended.
type WriteFile struct {
	Path    string `json:"path" doc:"Absolute, or relative to the home directory. ~ is the home directory."`
	Offset  *int64 `json:"offset,omitempty" doc:"Overwrite or append to a file that exists, from this byte on. Without it the file is replaced whole."`
	Mode    int    `json:"mode,omitempty" arg:",octal" doc:"Permission bits. Without it: those that the file has, 0644 for a new one."`
	Parents bool   `json:"parents,omitempty" doc:"Whether to make the directories that lead to it."`

	Data []byte `json:"-" doc:"What to write."` // the payload of the request
}

// ListFiles answers the entries of a directory as Listing, sorted by name, from
// the entry with the index Offset on.
type ListFiles struct {
	Path   string `json:"path" doc:"Absolute, or relative to the home directory. ~ is the home directory."`
	Offset int    `json:"offset,omitempty" doc:"How many entries to leave out, to see the rest of a long directory."`
}

// File says what a file is.
//
// Names are UTF-8. In one that is not so on the disk, each stray byte is written as
// \xHH and each backslash twice, which is how bash reads it in $'...'.
type File struct {
	Name     string   `json:"name"` // in a Listing the entry's name, else the absolute path without symlinks
	Type     FileType `json:"type"`
	Size     int64    `json:"size"`             // in bytes
	Mode     int      `json:"mode"`             // permission bits
	Owner    string   `json:"owner"`            // user name, or number
	Modified int64    `json:"modified"`         // Unix time in milliseconds
	Target   string   `json:"target,omitempty"` // of a symlink
}

// FileType is what kind of file a [File] is.
type FileType string

// The types.
const (
	FileRegular   FileType = "file"
	FileDirectory FileType = "directory"
	FileSymlink   FileType = "symlink"
	FileOther     FileType = "other" // a device, socket or pipe
)

// Listing is part of a directory.
type Listing struct {
	Files []File `json:"files,omitempty"` // at most [MaxFiles], fewer when their names are long
	Total int    `json:"total"`           // entries of the whole directory
}

// Name returns "read_file".
func (ReadFile) Name() string { return "read_file" }

// Name returns "write_file".
func (WriteFile) Name() string { return "write_file" }

// Name returns "list_files".
func (ListFiles) Name() string { return "list_files" }

// Validate reports a path that cannot be one, or a range that is negative or too
// long.
func (a ReadFile) Validate() error {
	if a.Offset < 0 {
		return fmt.Errorf("offset %d is negative", a.Offset)
	}
	if a.Length < 0 || a.Length > MaxFile {
		return fmt.Errorf("length %d is not between 0 and %d", a.Length, MaxFile)
	}
	return validatePath(a.Path)
}

// Validate reports a path that cannot be one, an offset that is negative, a mode
// that has more than permission bits, or too much data.
func (a WriteFile) Validate() error {
	if a.Offset != nil && *a.Offset < 0 {
		return fmt.Errorf("offset %d is negative", *a.Offset)
	}
	if a.Mode < 0 || a.Mode > 0o777 {
		return fmt.Errorf("mode %#o has other than permission bits: send at most 0777", a.Mode)
	}
	if len(a.Data) > MaxFile {
		return fmt.Errorf("data is %d bytes: write at most %d at once, and the rest with offset", len(a.Data), MaxFile)
	}
	return validatePath(a.Path)
}

// Validate reports a path that cannot be one, or a negative offset.
func (a ListFiles) Validate() error {
	if a.Offset < 0 {
		return fmt.Errorf("offset %d is negative", a.Offset)
	}
	return validatePath(a.Path)
}

func (a WriteFile) payload() []byte { return a.Data }

func (a WriteFile) withPayload(b []byte) Action {
	a.Data = b
	return a
}

func validatePath(p string) error {
	switch {
	case p == "":
		return errors.New("path is empty: send an absolute path, or one relative to the home directory")
	case len(p) > MaxFilePath:
		return fmt.Errorf("path is %d bytes: send at most %d", len(p), MaxFilePath)
	case !utf8.ValidString(p):
		return errors.New("path is not valid UTF-8")
	case strings.ContainsRune(p, 0):
		return errors.New("path holds a NUL")
	}
	return nil
}

func (f *File) validate() error {
	switch f.Type {
	case FileRegular, FileDirectory, FileSymlink, FileOther:
	default:
		return fmt.Errorf("file type %q does not exist", f.Type)
	}
	switch {
	case f.Name == "" || len(f.Name) > MaxFilePath || strings.ContainsRune(f.Name, 0):
		return fmt.Errorf("file name of %d bytes", len(f.Name))
	case f.Size < 0:
		return fmt.Errorf("file has %d bytes", f.Size)
	case f.Mode < 0 || f.Mode > 0o7777:
		return fmt.Errorf("file mode %#o does not exist", f.Mode)
	case len(f.Owner) > 256 || len(f.Target) > MaxFilePath:
		return errors.New("owner or target of a file is too long")
	}
	return nil
}

func (l *Listing) validate() error {
	if len(l.Files) > MaxFiles {
		return fmt.Errorf("%d files are more than %d", len(l.Files), MaxFiles)
	}
	if l.Total < len(l.Files) {
		return fmt.Errorf("%d files of %d", len(l.Files), l.Total)
	}
	for i := range l.Files {
		if err := l.Files[i].validate(); err != nil {
			return err
		}
		if n := l.Files[i].Name; path.Base(n) != n {
			return errors.New("entry of a directory is a path")
		}
	}
	return nil
}
