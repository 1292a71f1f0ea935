// Package audit keeps what was done and tried over the networks of sandboxes: one
// line of JSON for each connection, each question to the name server and each kind
// of packet that was dropped. What is kept is bounded, in files and in memory.
package audit
