// Package workload is process 1 of a guest that runs one command in the place of
// a desktop; see [desktop.Workload].
//
// The command gets what it reads and writes by connections of its own to the host,
// so that none of its streams can hold up another. It is over when its first
// process is: what that has left running is killed, as it would be by the end of
// the machine that follows.
package workload
