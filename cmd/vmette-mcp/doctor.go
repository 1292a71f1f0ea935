package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/agent"
	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/doctor"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

type doctorCmd struct {
	JSON  bool   `name:"json" help:"Print JSON."`
	Image string `help:"The image to ask about (default ${default})." default:"${desktop}" placeholder:"SPEC"`
}

func (doctorCmd) Help() string {
	return `Each line is ok, warn (it works, but less well or not yet) or fail, with the
command that mends it. It exits with 1 when a desktop cannot be run.`
}

func (c doctorCmd) Run(a *app) error {
	findings, err := c.examine(a)
	if err != nil {
		return err
	}
	report := doctor.NewReport(version(), findings)
	if c.JSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.Print(a.stdout)
	}
	if err == nil && !report.OK {
		err = errReported
	}
	return err
}

func (c doctorCmd) examine(a *app) ([]doctor.Finding, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	findings, err := c.examineHost(a, store.Dir())
	if err != nil {
		return nil, err
	}
	img, err := store.Get(a.ctx, c.Image)
	if err != nil && !errors.Is(err, rootfs.ErrNotBuilt) {
		return nil, err
	}
	findings = append(findings, agentFinding(), imageFinding(c.Image, img), toolsFinding(rootfs.Missing(), img != nil))

	if f, err := os.Open("/proc/meminfo"); err == nil {
		available, err := doctor.AvailableMiB(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		findings = append(findings, doctor.Memory(available, sandbox.DefaultMemoryMiB))
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(store.Dir(), &fs); err != nil {
		return nil, fmt.Errorf("measure free space of %s: %w", store.Dir(), err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	templates, err := c.templatesFinding(a, free)
	return append(findings, doctor.Disk(free, store.Dir(), img != nil), templates), err
}

// templatesFinding says what new desktops can start from.
func (c doctorCmd) templatesFinding(a *app, free uint64) (doctor.Finding, error) {
	templates, err := a.openTemplates()
	if errors.Is(err, sandbox.ErrUnsupported) {
		return doctor.Finding{Name: "templates", Verdict: doctor.Warn, Detail: err.Error() + ": each desktop is booted"}, nil
	}
	if err != nil {
		return doctor.Finding{}, err
	}
	list, err := templates.List()
	if err != nil {
		return doctor.Finding{}, err
	}
	t := doctor.Templates{Image: c.Image, Free: free, Largest: sandbox.DefaultMemoryMiB << 20}
	for _, i := range list {
		t.Bytes += i.Bytes
		if i.Image == c.Image {
			t.Count++
		}
	}
	return t.Finding(), nil
}

func agentFinding() doctor.Finding {
	bin, err := agent.Binary()
	if err != nil {
		return doctor.Finding{Name: "guest agent", Verdict: doctor.Fail, Detail: err.Error(), Remedy: "make build"}
	}
	return doctor.Finding{Name: "guest agent", Verdict: doctor.OK, Detail: fmt.Sprintf("built in, %.1f MB", float64(len(bin))/1e6)}
}

func imageFinding(spec string, img *rootfs.Image) doctor.Finding {
	if img == nil {
		return doctor.Finding{
			Name:    "image",
			Verdict: doctor.Warn,
			Detail:  spec + " is not built yet: the first desktop would have to wait for it",
			Remedy:  "vmette-mcp rootfs build " + spec,
		}
	}
	return doctor.Finding{
		Name:    "image",
		Verdict: doctor.OK,
		Detail:  fmt.Sprintf("%s %s, %d MB, built %s", img.Name, img.ID[:12], img.Size/1e6, img.Built.Format("2006-01-02 15:04")),
	}
}

func toolsFinding(missing []rootfs.Tool, built bool) doctor.Finding {
	f := doctor.Finding{Name: "build tools", Verdict: doctor.OK, Detail: "all there"}
	if len(missing) == 0 {
		return f
	}
	f.Verdict = doctor.Fail
	f.Detail = "no image can be built: " + cannotBuild(missing)
	if built {
		f.Verdict = doctor.Warn
	}
	return f
}
