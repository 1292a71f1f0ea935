// Package run runs shell commands for an agent: what the actions exec, exec_output
// and exec_stop do.
//
// A command gets a session of its own, no input, and pipes for its output. It is
// over when its shell is over, whatever it has left running: programs that were
// started with & live on, and what they still write to the pipes is read and
// thrown away, so that they neither block nor die of it. A command that runs out
// of time, or that nobody wants any more, is killed with all that it has
// started.
//
// A job is a command that nobody waits for. What it writes is kept until it is
// asked for, its first and last part when that is much, and so is its end. Jobs
// have numbers, which are not given out twice.
package run
