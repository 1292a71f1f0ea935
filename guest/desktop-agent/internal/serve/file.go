package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
)

// Files reads and writes files. See package files. Its errors are *desktop.Error.
type Files interface {
	Read(context.Context, desktop.ReadFile) (desktop.File, []byte, error)
	Write(desktop.WriteFile) (desktop.File, error)
	List(desktop.ListFiles) (desktop.Listing, error)
}

func readFile(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	file, data, err := s.Files.Read(ctx, a.(desktop.ReadFile))
	if err != nil {
		return outcome{}, err
	}
	o := outcome{payload: data}
	o.File, o.DataLen = &file, len(data)
	return o, nil
}

func writeFile(_ context.Context, s *Server, a desktop.Action) (outcome, error) {
	file, err := s.Files.Write(a.(desktop.WriteFile))
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	o.File = &file
	return o, nil
}

func listFiles(_ context.Context, s *Server, a desktop.Action) (outcome, error) {
	listing, err := s.Files.List(a.(desktop.ListFiles))
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	o.Listing = &listing
	return o, nil
}
