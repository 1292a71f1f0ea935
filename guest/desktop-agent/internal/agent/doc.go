// Package agent is the part of the program that serves the host: it keeps a
// connection to the X server, a connection to the host, and lets package serve
// answer what comes over the one by means of the other. Each of the two may
// break and come back without the other.
package agent
