package desktop

// Boot is what the host tells the guest agent of itself. Before there is a
// connection it travels as JSON in the file [BootFile] of a cpio archive appended
// to the initramfs, never on the kernel command line, because it holds a secret.
// To a guest that was started from a saved state it comes anew in
// [Welcome.Resume].
type Boot struct {
	Token    string   `json:"token"`             // shown back in [Hello.Token]
	Port     uint32   `json:"port"`              // vsock port on the host (CID 2) to dial
	Hostname string   `json:"hostname"`          //
	Root     Root     `json:"root"`              // what becomes / under a writable overlay; the zero value leaves the guest in its initramfs
	Screen   Size     `json:"screen"`            // of the desktop
	NoSudo   bool     `json:"no_sudo,omitempty"` // the desktop's user gets no sudo
	UnixTime int64    `json:"unix_time"`         // wall clock when this was sent, in nanoseconds since 1970
	Network  *Network `json:"network,omitempty"` // of the guest; nil when it has none
	Entropy  []byte   `json:"entropy,omitempty"` // random bytes for the guest's generator; at most MaxEntropy

	Shares      []Share     `json:"shares,omitempty"`      // directories of the host
	Authorities []Authority `json:"authorities,omitempty"` // to trust; at most MaxAuthorities
	Workload    *Workload   `json:"workload,omitempty"`    // what the guest runs in place of a desktop
}

// MaxEntropy bounds [Boot.Entropy], in bytes. Linux keeps 32 of what it is given
// (drivers/char/random.c).
const MaxEntropy = 64

// Root names the read-only lower layer of the guest's root file system, or all of it.
type Root struct {
	Device   string `json:"device"`             // such as "/dev/vda", or the tag of a virtio-fs device
	Type     string `json:"type"`               // of its file system: "squashfs", "erofs" or "virtiofs"
	Scratch  string `json:"scratch,omitempty"`  // disk with an empty ext4 file system that takes what is written; "" is memory
	Writable bool   `json:"writable,omitempty"` // it is all of the root, and what is written reaches the host; of virtiofs alone
}

// Share is a directory of the host that the guest has, too: a virtio-fs device.
type Share struct {
	Tag      string `json:"tag"`                 // of the device
	Target   string `json:"target"`              // where to mount it
	ReadOnly bool   `json:"read_only,omitempty"` // whether the host refuses writes
}

// BootFile is the path of the [Boot] JSON in the initramfs.
const BootFile = "vmette/boot.json"

// AgentFile is the path of the guest agent in the initramfs, where the kernel
// finds it as /init.
const AgentFile = "init"

// ModulesFile is the path in the initramfs of the list of kernel modules to
// load, one path per line in order of their dependencies.
const ModulesFile = "vmette/modules"

// DriversFile is the path in the initramfs of the list of kernel modules to load
// when they are asked for: on each line a module's name, a colon, and the paths of
// what it takes, in order of their dependencies.
const DriversFile = "vmette/drivers"

// HostCID is the vsock address of the host as the guest sees it.
const HostCID = 2
