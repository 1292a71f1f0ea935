// Package rootfs makes and keeps the images that sandboxes boot.
//
// An [Image] is a kernel, an archive of the kernel modules that the first steps
// of the boot need, and a read-only file system in one file. A [Store] is the
// directory that holds them. A spec such as "debian:bookworm", a directory,
// "tar+https://..." or "oci://..." says what an image is made of; the [Provider]
// that understands the spec builds it once, and from then on [Store.Get] finds
// it:
//
//	store, err := rootfs.Open("")
//	...
//	img, err := store.Build(ctx, rootfs.DefaultSpec, bar.Update)
//	...
//	initramfs, err := store.Initramfs(img, agent)
//
// The guest agent is no part of an image: [Store.Initramfs] puts it beside the
// modules, as /init, so that every image works with every agent.
//
// A build writes a [Manifest] that names each package with the SHA-256 that was
// verified when it was downloaded; the hash of the manifest is the image's ID.
// Equal inputs give equal files on one host.
//
// Archives and the layers of registries need not be trusted. Nothing of them is
// unpacked on the host: what the packer reads is a tar stream that was written
// anew, as docs/images.md explains.
//
// Builds happen in a staging directory under a lock and appear in the store by
// one rename. Two processes that want the same image share one build. What a
// killed build leaves behind, the next [Open] or [Store.Build] removes.
package rootfs
