// Package probe boots an image under QEMU without the guest agent, has steps
// performed in it and brings back what came of them. Tests and measurements of
// images on Linux use it; it needs qemu-system-x86_64 and the go command.
package probe
