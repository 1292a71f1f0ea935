// Package kmod loads the kernel modules that the initramfs brings for what only
// some guests have: a network card, directories of the host, a root of another kind.
// They do not come from the image, which need not have those of this kernel.
package kmod
