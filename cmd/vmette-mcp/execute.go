package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// interpreters are what runs code of each language, which comes behind the rest.
var interpreters = map[string][]string{
	"sh":     {"/bin/sh", "-c"},
	"bash":   {"bash", "-c"},
	"python": {"python3", "-c"},
	"perl":   {"perl", "-e"},
	"ruby":   {"ruby", "-e"},
	"node":   {"node", "--eval="},
}

// argv returns the command that runs code of a language.
func argv(language, code string) []string {
	args := slices.Clone(interpreters[language])
	if last := len(args) - 1; strings.HasSuffix(args[last], "=") {
		args[last] += code // else what begins with a dash would be a flag
		return args
	}
	return append(args, code)
}

// noExecute is the value of --execute that leaves the tool out.
const noExecute = "none"

// executeFlags say what the tool execute runs.
type executeFlags struct {
	Execute       []string  `help:"A language for the tool execute, with the image that has it, or on --image: sh, bash, python, perl, ruby or node; may be repeated; none leaves the tool out (default sh, and python on ${desktop})." placeholder:"LANGUAGE[=SPEC]"`
	ExecuteImage  []string  `help:"An image that clients may name in execute, for any language; may be repeated. They name no others." placeholder:"SPEC"`
	ExecuteMemory mebibytes `help:"Memory of what execute runs, such as 512M or 8G; a plain number is in MiB (default ${default})." default:"1024" placeholder:"SIZE"`
}

// Validate reports a language that is not known.
func (f executeFlags) Validate() error {
	_, err := f.languages("")
	return err
}

// languages returns the spec of the image of each language, for a server whose
// desktops boot image.
func (f executeFlags) languages(image string) (map[string]string, error) {
	if len(f.Execute) == 0 {
		all := map[string]string{"sh": image}
		if image == rootfs.DefaultSpec {
			all["python"] = image
		}
		return all, nil
	}
	if slices.Contains(f.Execute, noExecute) {
		if len(f.Execute)+len(f.ExecuteImage) > 1 {
			return nil, errors.New("--execute none goes with no other --execute and no --execute-image")
		}
		return nil, nil
	}
	all := make(map[string]string)
	for _, e := range f.Execute {
		language, spec, named := strings.Cut(e, "=")
		if interpreters[language] == nil {
			return nil, fmt.Errorf("--execute %q is not a language: use %s or none", e, strings.Join(slices.Sorted(maps.Keys(interpreters)), ", "))
		}
		if named && spec == "" {
			return nil, fmt.Errorf("--execute %q names no image: use LANGUAGE=SPEC, or LANGUAGE alone", e)
		}
		if !named {
			spec = image
		}
		all[language] = spec
	}
	return all, nil
}

// programs are what the tool execute runs.
type programs struct {
	languages map[string]string // the spec of the image of each, for code that names none
	named     []string          // specs of images that a call may name
	images    map[string]*images
	base      sandbox.Config // without the image's part
	own       []*images      // which desktops do not use
}

// newPrograms returns what flags say. Images are made as those of desktops are, which
// is shared.
func newPrograms(f executeFlags, desktops *images, base sandbox.Config, log *slog.Logger) (*programs, error) {
	languages, err := f.languages(desktops.spec)
	if err != nil {
		return nil, err
	}
	base.MemoryMiB = int(f.ExecuteMemory)
	p := &programs{
		languages: languages,
		named:     f.ExecuteImage,
		images:    map[string]*images{desktops.spec: desktops},
		base:      base,
	}
	for _, spec := range slices.Concat(slices.Collect(maps.Values(languages)), f.ExecuteImage) {
		if p.images[spec] == nil {
			im := newImages(desktops.store, spec, desktops.agent, base, log)
			p.images[spec], p.own = im, append(p.own, im)
		}
	}
	return p, nil
}

// Close ends builds that are under way, but for that of the desktops' image.
func (p *programs) Close() {
	for _, im := range p.own {
		im.Close()
	}
}

// Languages implements [mcp.Programs]. On an image that a call names there may be any.
func (p *programs) Languages() []string {
	if len(p.languages) > 0 && len(p.named) > 0 {
		return slices.Sorted(maps.Keys(interpreters))
	}
	return slices.Sorted(maps.Keys(p.languages))
}

// Images implements [mcp.Programs].
func (p *programs) Images() []string { return p.named }

// Config implements [mcp.Programs].
func (p *programs) Config(ctx context.Context, language, image, code string, tell func(*mcp.NotReadyError)) (sandbox.Config, error) {
	spec := image
	switch {
	case image == "" && p.languages[language] != "":
		spec = p.languages[language]
	case image == "":
		return sandbox.Config{}, fmt.Errorf("%s has no image of its own here: send image", language)
	case !slices.Contains(p.named, image):
		return sandbox.Config{}, fmt.Errorf("image %q may not be named here", image)
	}
	im := p.images[spec]
	img, err := im.await(ctx, tell)
	if err != nil {
		return sandbox.Config{}, err
	}
	cfg, err := bootConfig(im.store, img, im.agent, p.base)
	cfg.Workload, cfg.Exec = sandbox.WorkloadOneShot, inImage(img, argv(language, code))
	return cfg, err
}
