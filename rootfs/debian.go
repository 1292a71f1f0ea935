package rootfs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
)

// MirrorEnv names the environment variable that overrides where Debian's
// packages come from. Its value is what mmdebstrap takes as MIRROR: an address,
// lines of a sources.list, or the path of such a file. Without it mmdebstrap's
// own default is used, with the updates and the security fixes.
const MirrorEnv = "VMETTE_DEBIAN_MIRROR"

// debian is the provider for "debian:SUITE" and "debian:SUITE/VARIANT".
type debian struct{}

// debianSuites are the releases whose package names the variants know.
var debianSuites = []string{"bookworm"}

// variant is a choice of packages and set-up files.
type variant struct {
	name     string
	packages []string
	exclude  []string // paths that dpkg leaves out, beside those of every variant
	files    []string // directories of debian/ that are copied over the image, in order
	space    int64    // bytes that a build needs
}

var commonPackages = []string{
	"at-spi2-core", "ca-certificates", "dbus", "dbus-x11", "fonts-dejavu-core", "kmod", "openbox",
	"procps", "sudo", "tigervnc-standalone-server", "xauth", "xclip", "xterm",
}

var desktopPackages = []string{
	"adwaita-icon-theme", "chromium", "chromium-sandbox", "curl", "dconf-gsettings-backend", "file",
	"fonts-liberation", "fonts-noto-cjk", "fonts-noto-color-emoji", "fonts-noto-core", "gnome-themes-extra",
	"iproute2", "less", "libatk-adaptor", "libgail-common", "librsvg2-common", "locales", "mousepad", "nano", "pcmanfm",
	"python3-minimal", "shared-mime-info", "tint2", "unzip", "x11-utils", "xdg-utils",
}

// oraclePackages are what the applications of internal/oracle run on, beside a
// whole desktop.
var oraclePackages = []string{"gir1.2-gtk-3.0", "python3-gi", "python3-pyqt5"}

var variants = []variant{
	{
		name:     "minimal",
		packages: commonPackages,
		// Nothing here draws with OpenGL: without its drivers the X server
		// starts sooner and the image is half the size.
		exclude: []string{
			"/usr/lib/*/dri/*", "/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/*/libgs.so*",
		},
		files: []string{"common"},
		space: 2 << 30,
	},
	{
		name:     "",
		packages: slices.Concat(commonPackages, desktopPackages),
		files:    []string{"common", "desktop"},
		space:    4 << 30,
	},
	{
		name:     "oracles",
		packages: slices.Concat(commonPackages, desktopPackages, oraclePackages),
		files:    []string{"common", "desktop"},
		space:    4 << 30,
	},
}

// docs is what no desktop needs that lives a few hours. Copyright notices stay.
var docs = []string{
	"path-exclude=/usr/share/man/*",
	"path-exclude=/usr/share/info/*",
	"path-exclude=/usr/share/doc/*",
	"path-include=/usr/share/doc/*/copyright",
	"path-exclude=/usr/share/locale/*",
	"path-include=/usr/share/locale/locale.alias",
	// Of the hundreds of Noto fonts keep one family for each script that the
	// others lack: each further file makes every program start slower.
	"path-exclude=/usr/share/fonts/truetype/noto/*",
	"path-include=/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
	"path-include=/usr/share/fonts/truetype/noto/NotoSansArabic-[BR]*.ttf",
	"path-include=/usr/share/fonts/truetype/noto/NotoSansDevanagari-[BR]*.ttf",
	"path-include=/usr/share/fonts/truetype/noto/NotoSansHebrew-[BR]*.ttf",
	"path-include=/usr/share/fonts/truetype/noto/NotoSansThai-[BR]*.ttf",
	"path-exclude=/usr/share/fonts/opentype/noto/NotoSerifCJK*",
	"path-exclude=/usr/share/fonts/*/urw-base35/*",
	"path-exclude=/usr/share/fonts/cmap/*",
	"path-exclude=/usr/share/fonts/cMap/*",
}

// Match implements [Provider].
func (debian) Match(spec string) (Recipe, error) {
	rest, ok := strings.CutPrefix(spec, "debian:")
	if !ok {
		return nil, nil
	}
	suite, name, slash := strings.Cut(rest, "/")
	if !slices.Contains(debianSuites, suite) {
		return nil, fmt.Errorf("debian release %q: use %s", suite, strings.Join(debianSuites, ", "))
	}
	for _, v := range variants {
		if v.name == name && slash == (name != "") {
			return newDebianRecipe(suite, v), nil
		}
	}
	return nil, fmt.Errorf("debian variant %q: use %q or %q", name, DefaultSpec, MinimalSpec)
}

// debianRecipe builds an image with mmdebstrap and mksquashfs.
type debianRecipe struct {
	suite   string
	arch    string // Debian's name of the architecture, which is Go's for those supported
	mirror  string
	variant variant
}

func newDebianRecipe(suite string, v variant) *debianRecipe {
	return &debianRecipe{suite: suite, arch: runtime.GOARCH, mirror: os.Getenv(MirrorEnv), variant: v}
}

// Name implements [Recipe].
func (r *debianRecipe) Name() string {
	if r.variant.name == "" {
		return "debian:" + r.suite
	}
	return "debian:" + r.suite + "/" + r.variant.name
}

// Space implements [Recipe].
func (r *debianRecipe) Space() int64 { return r.variant.space }

// Hash implements [Recipe]. The mirror is no part of it, because the same
// packages come from all, nor is the way this host builds.
func (r *debianRecipe) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, r.suite, r.arch, sourceDateEpoch, bootModules, driverModules)
	fmt.Fprintln(h, r.variant.files, rootFormat, packOptions)
	anywhere := debianRecipe{suite: r.suite, arch: r.arch, variant: r.variant}
	fmt.Fprintf(h, "%q\n", anywhere.args("", "work"))
	err := fs.WalkDir(debianFiles, "debian", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := debianFiles.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(b), b)
		return err
	})
	if err != nil {
		panic(err) // the files are in the program itself
	}
	return hex.EncodeToString(h.Sum(nil))
}
