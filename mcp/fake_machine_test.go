package mcp

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// fakeMachine is what a desktop has beside its screen: files, one job, a clipboard
// and one window.
type fakeMachine struct {
	files     map[string][]byte
	clipboard string
	told      bool // whether the output of the job has been
}

// obey does what has nothing to do with the screen, and reports false for all
// else.
func (m *fakeMachine) obey(a desktop.Action, res *desktop.Result) (known bool, err error) {
	switch a := a.(type) {
	case desktop.Exec:
		if a.Background {
			res.Exec, m.told = &desktop.Output{Job: 1, Running: true}, false
			return true, nil
		}
		m.ran(res, desktop.Output{}, "you ran "+a.Command+"\n")
	case desktop.ExecOutput:
		if m.told {
			m.ran(res, desktop.Output{Job: a.Job, ExitCode: 3}, "")
			return true, nil
		}
		m.told = true
		m.ran(res, desktop.Output{Job: a.Job, Running: true}, "news\n")
	case desktop.ExecStop:
		m.ran(res, desktop.Output{Job: a.Job, ExitCode: 137}, "")
	case desktop.ReadFile:
		content, ok := m.files[a.Path]
		if !ok && a.Path != "~/notes.txt" {
			return true, desktop.Errorf(desktop.CodeInvalid, "%q does not exist: list_files of %q shows what does", a.Path, "/")
		}
		begin := min(int(a.Offset), len(content))
		res.Data = content[begin:min(len(content), begin+a.Length)]
		res.DataLen, res.File = len(res.Data), m.file(a.Path)
	case desktop.WriteFile:
		if m.files == nil {
			m.files = make(map[string][]byte)
		}
		m.files[a.Path] = a.Data
		res.File = m.file(a.Path)
	case desktop.ListFiles:
		names := slices.Sorted(maps.Keys(m.files))
		res.Listing = &desktop.Listing{Total: len(names)}
		for _, name := range names[min(a.Offset, len(names)):] {
			f := m.file(name)
			f.Name = name[strings.LastIndexByte(name, '/')+1:]
			res.Listing.Files = append(res.Listing.Files, *f)
		}
	case desktop.GetClipboard:
		res.Data, res.DataLen = []byte(m.clipboard), len(m.clipboard)
	case desktop.SetClipboard:
		m.clipboard = a.Text
	case desktop.ListWindows:
		res.Windows = []desktop.Window{theWindow}
	case desktop.ChangeWindow:
		if a.ID != theWindow.ID {
			return true, desktop.Errorf(desktop.CodeInvalid, "there is no window %d: list_windows tells which there are", a.ID)
		}
		if a.Do != desktop.WindowClose {
			res.Windows = []desktop.Window{theWindow}
		}
		return false, nil
	case desktop.Launch:
		res.Windows = []desktop.Window{theWindow}
		res.Exec = &desktop.Output{Job: 1, Running: true}
		return false, nil
	default:
		return false, nil
	}
	return true, nil
}

var theWindow = desktop.Window{
	ID: 12582913, Title: "notes \x1b[31m\u202e- editor", Class: "Editor", PID: 42, Region: desktop.Rect{X0: -10, Y0: 20, X1: 110, Y1: 99}, Focused: true,
}

func (m *fakeMachine) ran(res *desktop.Result, out desktop.Output, stdout string) {
	out.StdoutLen, out.StdoutTotal = len(stdout), int64(len(stdout))
	res.Exec, res.Stdout = &out, []byte(stdout)
}

func (m *fakeMachine) file(path string) *desktop.File {
	return &desktop.File{
		Name: fmt.Sprintf("/home/user/%s", strings.TrimPrefix(path, "~/")), Type: desktop.FileRegular, Size: int64(len(m.files[path])),
		Mode: 0o644, Owner: "user", Modified: 1_700_000_000_000,
	}
}
