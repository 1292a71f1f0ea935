package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/launch"
)

// Windows lists and changes windows. See package windows. Its errors are
// *desktop.Error.
type Windows interface {
	List(context.Context) ([]desktop.Window, error)
	// Change returns the window as it then is, or none when it is gone, and what
	// the host must know beside that, if anything.
	Change(context.Context, desktop.ChangeWindow) (now []desktop.Window, notice string, err error)
}

// Launcher starts applications. See package launch. Its errors are
// *desktop.Error.
type Launcher interface {
	Launch(context.Context, desktop.Launch) (launch.Launched, error)
}

func listWindows(ctx context.Context, s *Server, _ desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	list, err := s.Windows.List(ctx)
	return showing(list, "", err)
}

func changeWindow(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	return showing(s.Windows.Change(ctx, a.(desktop.ChangeWindow)))
}

func launchApplication(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	if _, err := s.Desk.use(ctx); err != nil {
		return outcome{}, err
	}
	l, err := s.Launcher.Launch(ctx, a.(desktop.Launch))
	o, err := showing(l.Windows, l.Notice, err)
	if err == nil {
		o.Exec, o.payload = &l.Output, l.Text
	}
	return o, err
}

// showing is the outcome of an action that answers windows.
func showing(list []desktop.Window, notice string, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	o.Windows = list
	if notice != "" {
		o.Notices = append(o.Notices, notice)
	}
	return o, nil
}
