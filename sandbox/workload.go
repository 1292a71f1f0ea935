package sandbox

import (
	"github.com/vmette/vmette-mcp/desktop"
)

// WorkloadStrategy is what a sandbox is for.
type WorkloadStrategy string

// The strategies.
const (
	WorkloadAgent   WorkloadStrategy = "agent"    // a desktop, driven by [Session.Do], that lives until it is stopped
	WorkloadOneShot WorkloadStrategy = "one-shot" // one command, whose end is the session's; see [Run]
)

// Exec is the command of a [WorkloadOneShot].
type Exec struct {
	Args     []string              // the program, looked up in the guest's PATH, and its arguments
	Env      []string              // NAME=VALUE, beside PATH, HOME and, with a terminal, TERM
	Dir      string                // working directory in the guest, absolute; "" means /
	User     string                // USER or USER:GROUP of the guest, by names or numbers; "" means root
	Terminal *desktop.TerminalSize // of the terminal that the command gets; nil means none
}

// ShellCommand returns the command that runs script with the guest's shell.
func ShellCommand(script string) []string { return []string{"/bin/sh", "-c", script} }

// workload returns the command as the guest is told of it.
func (e Exec) workload() *desktop.Workload {
	w := desktop.Workload(e)
	return &w
}

func (c Config) validateWorkload(errs *problems) {
	switch c.Workload {
	case WorkloadAgent:
		if len(c.Exec.Args) > 0 {
			errs.add("there is a command for a sandbox with a desktop: use %s, or Session.Do with an exec", WorkloadOneShot)
		}
	case WorkloadOneShot:
		if err := c.Exec.workload().Validate(); err != nil {
			errs.add("%v", err)
		}
	default:
		errs.add("workload %q is not %s or %s", c.Workload, WorkloadAgent, WorkloadOneShot)
	}
}
