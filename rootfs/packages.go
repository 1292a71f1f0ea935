package rootfs

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// parsePackages reads stanzas as apt-cache show writes them. Each must name
// its package, version, architecture and SHA-256. The result is sorted.
func parsePackages(r io.Reader) ([]Package, error) {
	var (
		packages []Package
		p        Package
		began    bool
	)
	finish := func() error {
		if !began {
			return nil
		}
		if p.Name == "" || p.Version == "" || p.Architecture == "" || len(p.SHA256) != 64 {
			return fmt.Errorf("parse packages: stanza of %q is not complete", p.Name)
		}
		packages = append(packages, p)
		p, began = Package{}, false
		return nil
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			if err := finish(); err != nil {
				return nil, err
			}
			continue
		}
		began = true
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch field {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "Architecture":
			p.Architecture = value
		case "SHA256":
			p.SHA256 = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("parse packages: %w", err)
	}
	if err := finish(); err != nil {
		return nil, err
	}
	slices.SortFunc(packages, func(a, b Package) int {
		return strings.Compare(a.Name+" "+a.Architecture, b.Name+" "+b.Architecture)
	})
	return slices.Compact(packages), nil
}
