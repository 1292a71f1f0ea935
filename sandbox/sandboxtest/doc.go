// Package sandboxtest tests what package sandbox is about, without and with
// machines.
//
// [Backend] is a backend whose guests are functions in this process, for tests
// of everything above backends:
//
//	b := &sandboxtest.Backend{}
//	s, err := sandbox.Start(ctx, b, sandboxtest.Config(), sandbox.StartOptions{})
//
// [Suite] is the behaviour that every backend must show, with real guests.
package sandboxtest
