package launch

import "github.com/vmette/vmette-mcp/desktop"

// Launched is an application that has been started.
type Launched struct {
	Output  desktop.Output   // of its job, which runs unless the command has ended
	Text    []byte           // what it had printed then
	Windows []desktop.Window // the one that it has shown, or none
	Notice  string           // what the caller must know beside that, or empty
}
