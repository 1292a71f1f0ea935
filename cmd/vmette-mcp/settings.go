package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSettings bounds a configuration file, in bytes.
const maxSettings = 1 << 20

// settings are those of a configuration file: flags of serve by their names,
// without the dashes. What the command line or the environment says goes before them.
type settings struct {
	path    string
	entries []setting
}

type setting struct {
	name  string
	value any // a string, or a list of them
	line  int
}

// configFile is a flag that names a file of settings.
type configFile string

// BeforeResolve has the flags that follow look into the file.
func (configFile) BeforeResolve(k *kong.Kong, c *kong.Context, trace *kong.Path) error {
	s, err := readSettings(string(c.FlagValue(trace.Flag).(configFile)))
	if err != nil {
		return err
	}
	if err := s.Validate(k.Model); err != nil {
		return err
	}
	c.AddResolver(s)
	return nil
}

// readSettings reads a configuration file.
func readSettings(path string) (*settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxSettings {
		return nil, fmt.Errorf("configuration %s is larger than %d bytes", path, maxSettings)
	}
	entries, err := parseSettings(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return &settings{path, entries}, nil
}

// parseSettings reads a configuration file. Its errors begin with the number of a
// line.
func parseSettings(data []byte) ([]setting, error) {
	var values map[string]any
	if err := toml.Unmarshal(data, &values); err != nil {
		var where *toml.DecodeError
		if errors.As(err, &where) {
			line, _ := where.Position()
			return nil, fmt.Errorf("%d: %s", line, strings.TrimPrefix(where.Error(), "toml: "))
		}
		return nil, fmt.Errorf("1: %w", err)
	}
	lines := settingLines(data)
	var entries []setting
	for name, v := range values {
		value, err := settingValue(v)
		if err != nil {
			return nil, fmt.Errorf("%d: %s %w", lines[name], name, err)
		}
		entries = append(entries, setting{name, value, lines[name]})
	}
	slices.SortFunc(entries, func(a, b setting) int { return a.line - b.line })
	return entries, nil
}

// settingLines returns in which line each key or table of a file begins.
func settingLines(data []byte) map[string]int {
	lines := make(map[string]int)
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		it := p.Expression().Key()
		if !it.Next() {
			continue
		}
		key := it.Node()
		if name := string(key.Data); lines[name] == 0 {
			lines[name] = p.Shape(key.Raw).Start.Line
		}
	}
	return lines
}

// settingValue returns a value as it would be written on the command line.
func settingValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int64, float64:
		return fmt.Sprint(v), nil
	case []any:
		var list []string
		for _, item := range v {
			s, ok := item.(string)
			if !ok || strings.Contains(s, ",") {
				return nil, errors.New("is a list of something else than strings without commas")
			}
			list = append(list, s)
		}
		return strings.Join(list, ","), nil
	case map[string]any:
		return nil, errors.New("is a table: write settings without one")
	}
	return nil, fmt.Errorf("is a %T: write a string, a number, true, false or a list of strings", v)
}

// Validate reports settings that there are not, and values that they cannot
// have.
func (s *settings) Validate(app *kong.Application) error {
	var errs []error
	for _, e := range s.entries {
		if err := e.check(app); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", s.path, e.line, err))
		}
	}
	return errors.Join(errs...)
}

func (e setting) check(app *kong.Application) error {
	i := slices.IndexFunc(settingFlags(app), func(f *kong.Flag) bool { return f.Name == e.name })
	if i < 0 {
		return fmt.Errorf("there is no setting %q: they are named as the flags in vmette-mcp serve --help", e.name)
	}
	f := settingFlags(app)[i]
	target := reflect.New(f.Target.Type()).Elem()
	if err := f.Parse(kong.Scan().PushTyped(e.value, kong.FlagValueToken), target); err != nil {
		return err
	}
	if f.Enum != "" && !slices.Contains(f.EnumSlice(), fmt.Sprint(e.value)) {
		return fmt.Errorf("%s is %q: write one of %s", e.name, e.value, strings.Join(f.EnumSlice(), ", "))
	}
	return nil
}

// flagNames are the flags that an error talks of.
var flagNames = regexp.MustCompile(`--([a-z][a-z-]*)`)

// locate says where in the file an error comes from that is one of flags together,
// if it names any that the file sets. Errors of single settings say so already.
func (s *settings) locate(err error) error {
	if strings.HasPrefix(err.Error(), s.path+":") {
		return err
	}
	for _, m := range flagNames.FindAllStringSubmatch(err.Error(), -1) {
		for _, e := range s.entries {
			if e.name == m[1] {
				return fmt.Errorf("%s:%d: %w", s.path, e.line, err)
			}
		}
	}
	return fmt.Errorf("%s:1: %w", s.path, err)
}

// settingFlags returns the flags that a configuration file may set.
func settingFlags(app *kong.Application) []*kong.Flag {
	flags := slices.Clone(app.Flags)
	for _, c := range app.Children {
		if c.Name == "serve" {
			flags = append(flags, c.Flags...)
		}
	}
	return slices.DeleteFunc(flags, func(f *kong.Flag) bool { return f.Name == "help" || f.Name == "config" })
}

// Resolve returns the setting of a flag that nothing else says.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	for _, name := range f.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	for _, e := range s.entries {
		if e.name == f.Name {
			return e.value, nil
		}
	}
	return nil, nil
}
