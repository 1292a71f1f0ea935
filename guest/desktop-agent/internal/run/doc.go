// Package run runs shell commands for an agent: what the action exec does.
//
// A command gets a session of its own, no input, and pipes for its output. It is
// over when its shell is over, whatever it has left running: programs that were
// started with & live on, and what they still write to the pipes is read and
// thrown away, so that they neither block nor die of it. A command that runs out
// of time, or that nobody wants any more, is killed with all that it has
// started.
package run
