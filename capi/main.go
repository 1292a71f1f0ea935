// Command capi is libvmette, a library for C: it runs a command in a microVM of its
// own. vmette.h says how; docs/library.md how to build it:
//
//	go build -buildmode=c-shared -o libvmette.so ./capi
//
// What C calls is in one file, which only takes arguments apart; see package
// oneshot for the rest. It needs cgo, and elsewhere than on Linux the build tag
// libvmette, because nothing but a compiler of that system can check what it says
// of C.
package main

func main() {}
