package desktop

// Boot is what the host tells the guest agent before there is a connection. It
// travels as JSON in the file [BootFile] of a cpio archive appended to the
// initramfs, never on the kernel command line, because it holds a secret.
type Boot struct {
	Token    string `json:"token"`             // shown back in [Hello.Token]
	Port     uint32 `json:"port"`              // vsock port on the host (CID 2) to dial
	Hostname string `json:"hostname"`          //
	Root     Root   `json:"root"`              // what becomes / under a writable overlay
	Screen   Size   `json:"screen"`            // of the desktop
	NoSudo   bool   `json:"no_sudo,omitempty"` // the desktop's user gets no sudo
	UnixTime int64  `json:"unix_time"`         // wall clock at boot, in nanoseconds since 1970
}

// Root names the read-only lower layer of the guest's root file system.
type Root struct {
	Device string `json:"device"` // such as "/dev/vda"
	Type   string `json:"type"`   // of its file system: "squashfs" or "erofs"
}

// BootFile is the path of the [Boot] JSON in the initramfs.
const BootFile = "vmette/boot.json"

// AgentFile is the path of the guest agent in the initramfs, where the kernel
// finds it as /init.
const AgentFile = "init"

// ModulesFile is the path in the initramfs of the list of kernel modules to
// load, one path per line in order of their dependencies.
const ModulesFile = "vmette/modules"

// HostCID is the vsock address of the host as the guest sees it.
const HostCID = 2
