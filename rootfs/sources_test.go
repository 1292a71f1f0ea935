package rootfs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gzipped returns an archive of files, compressed, and its SHA-256.
func gzipped(t testing.TB, files map[string]string) (b []byte, digest string) {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.Copy(w, tarOf(t, files))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), hexSum(out.Bytes())
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// squashfs returns what begins like a squashfs image.
func squashfs(compression uint16, size uint64) []byte {
	b := make([]byte, 4096)
	copy(b, squashfsMagic)
	binary.LittleEndian.PutUint16(b[20:], compression)
	binary.LittleEndian.PutUint16(b[28:], squashfsVersion)
	binary.LittleEndian.PutUint64(b[40:], size)
	return b
}

// packed returns the files of an image that was packed with fakeTools, which
// keep the tar stream.
func packed(t testing.TB, img *Image) map[string]string {
	t.Helper()
	f, err := os.Open(img.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := make(map[string]string)
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil {
			t.Fatal(err)
		} else if h.Typeflag == tar.TypeReg {
			files[h.Name] = string(b)
		}
	}
}

// own returns files without those of the kernel's modules, which must be there.
func own(t testing.TB, files map[string]string) map[string]string {
	t.Helper()
	modules := 0
	for name := range files {
		if strings.HasPrefix(name, "lib/modules/6.1/") {
			modules++
			delete(files, name)
		}
	}
	if want := len(bootModules) + len(driverModules) + 1; modules != want {
		t.Errorf("%d files of modules are packed, want %d", modules, want)
	}
	return files
}

func TestForeignImages(t *testing.T) {
	fakeTools(t, "echo tree")
	dir := t.TempDir()
	archive, digest := gzipped(t, map[string]string{"etc/a": "one"})
	image := squashfs(4, 4096)
	for name, b := range map[string][]byte{"a.tar.gz": archive, "a.squashfs": image, "tree/etc/a": []byte("one")} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	for _, tt := range []struct{ spec, source, root string }{
		{"dir:" + dir + "/tree", "", ""},
		{"tar+file:" + dir + "/a.tar.gz", digest, ""},
		{"tar+file:" + dir + "/a.tar.gz#sha256=" + digest, digest, ""},
		{"tar+" + web.URL + "/a.tar.gz", digest, ""},
		{"tar+" + web.URL + "/a.tar.gz#sha256=" + digest, digest, ""},
		{"squashfs+file:" + dir + "/a.squashfs", hexSum(image), string(image)},
		{"squashfs+" + web.URL + "/a.squashfs#sha256=" + hexSum(image), hexSum(image), string(image)},
	} {
		t.Run(strings.NewReplacer(dir, "DIR", web.URL, "URL", digest, "DIGEST").Replace(tt.spec), func(t *testing.T) {
			s, err := OpenWith(Options{Dir: filepath.Join(dir, "store")})
			if err != nil {
				t.Fatal(err)
			}
			img, err := s.Build(t.Context(), tt.spec, nil)
			if err != nil {
				t.Fatal(err)
			}
			if img.Source != tt.source || img.RootFormat != "squashfs" || img.Outdated {
				t.Errorf("image is %+v", img)
			}
			for file, want := range map[string]string{img.Kernel: "kernel", img.Root: tt.root} {
				if b, err := os.ReadFile(file); err != nil || want != "" && string(b) != want {
					t.Errorf("%s holds %d bytes, %v", filepath.Base(file), len(b), err)
				}
			}
			if tt.root == "" {
				if diff := cmp.Diff(map[string]string{"etc/a": "one"}, own(t, packed(t, img))); diff != "" {
					t.Errorf("packed (-want +got):\n%s", diff)
				}
			}
			if again, err := s.Get(t.Context(), tt.spec); err != nil || again.ID != img.ID {
				t.Errorf("Get: %v, %v", again, err)
			}
			if _, err := s.Initramfs(img, []byte("agent")); err != nil {
				t.Error(err)
			}
		})
	}
	s, err := Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, img := range list {
		if strings.HasPrefix(img.Name, kernelPrefix) {
			kernels++
			if _, err := s.Get(t.Context(), img.Name); !errors.Is(err, ErrUnknownSpec) {
				t.Errorf("a kernel can be booted: %v", err)
			}
			if err := s.Remove(img.Name); err != nil {
				t.Error(err)
			}
		}
	}
	if kernels != 1 {
		t.Errorf("the store has %d kernels, want one for all images", kernels)
	}
	if left := names(t, filepath.Join(s.Dir(), "staging")); len(left) > 0 {
		t.Errorf("staging holds %v", left)
	}
}

func TestForeignImagesRefused(t *testing.T) {
	fakeTools(t, "echo tree")
	dir := t.TempDir()
	archive, digest := gzipped(t, map[string]string{"etc/a": "one"})
	for name, b := range map[string][]byte{
		"a.tar.gz": archive, "page": []byte("<html>"), "lzma": squashfs(2, 4096), "short": squashfs(4, 1<<40),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	other := "#sha256=" + strings.Repeat("0", 64)
	for _, tt := range []struct{ spec, want string }{
		{"dir:" + dir + "/none", "no such file"},
		{"dir:" + dir + "/a.tar.gz", "use tar+file:"},
		{"tar+file:" + dir + "/none", "no such file"},
		{"tar+file:" + dir, "not a file"},
		{"tar+file:" + dir + "/page", "not a valid tar archive"},
		{"tar+file:" + dir + "/a.tar.gz" + other, digest},
		{"tar+" + web.URL + "/none", "404"},
		{"tar+" + web.URL + "/a.tar.gz" + other, digest},
		{"squashfs+file:" + dir + "/page", "not a squashfs image"},
		{"squashfs+file:" + dir + "/lzma", "pack it anew"},
		{"squashfs+file:" + dir + "/short", "cut short"},
		{"squashfs+" + web.URL + "/page", "not a squashfs image"},
	} {
		s, err := Open(filepath.Join(dir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Build(t.Context(), tt.spec, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.spec, err, tt.want)
		}
		if left := names(t, filepath.Join(s.Dir(), "staging")); len(left) > 0 {
			t.Errorf("%s: staging holds %v", tt.spec, left)
		}
	}
}

// TestOffline builds what needs no network, and nothing else.
func TestOffline(t *testing.T) {
	fakeTools(t, "echo tree")
	dir := t.TempDir()
	archive, digest := gzipped(t, map[string]string{"a": "one"})
	if err := os.WriteFile(filepath.Join(dir, "a.tar.gz"), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	local := "tar+file:" + dir + "/a.tar.gz"
	pinned := "tar+" + web.URL + "/a.tar.gz#sha256=" + digest
	store := func(offline bool) *Store {
		s, err := OpenWith(Options{Dir: filepath.Join(dir, "store"), Offline: offline})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, spec := range []string{MinimalSpec, local, pinned, "alpine:3"} {
		if _, err := store(true).Build(t.Context(), spec, nil); !errors.Is(err, ErrOffline) {
			t.Errorf("%s: %v, want ErrOffline", spec, err)
		}
	}
	if _, err := store(false).Build(t.Context(), pinned, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store(true).Get(t.Context(), pinned); err != nil {
		t.Errorf("an image that is there: %v", err)
	}
	if err := store(true).Remove(pinned); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{local, pinned} { // with the kernel and the download of before
		if _, err := store(true).Build(t.Context(), spec, nil); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// TestSourceGone removes an archive after its image was built. The image is all
// it takes.
func TestSourceGone(t *testing.T) {
	fakeTools(t, "echo tree")
	dir := t.TempDir()
	file := filepath.Join(dir, "a.tar.gz")
	write := func(contents string) {
		t.Helper()
		b, _ := gzipped(t, map[string]string{"a": contents})
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	write("one")
	first, err := s.Build(t.Context(), "tar+file:"+file, nil)
	if err != nil {
		t.Fatal(err)
	}
	write("two, which is longer")
	if _, err := s.Get(t.Context(), "tar+file:"+file); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Get after the archive has changed: %v, want ErrNotBuilt", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if img, err := s.Get(t.Context(), "tar+file:"+file); err != nil || img.ID != first.ID {
		t.Errorf("Get after it is gone: %v, %v", img, err)
	}
}

// suffixProvider is a provider as a user of the library writes it.
type suffixProvider struct{ archives map[string][]byte }

func (p suffixProvider) Match(spec string) (Recipe, error) {
	name, ok := strings.CutPrefix(spec, "ours:")
	if !ok {
		return nil, nil
	}
	b, ok := p.archives[name]
	if !ok {
		return nil, fmt.Errorf("ours:%s is not there: use ours:desktop", name)
	}
	return NewArchiveRecipe("ours:"+name, hexSum(b), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }), nil
}

func TestOwnProvider(t *testing.T) {
	fakeTools(t, "echo tree")
	b, digest := gzipped(t, map[string]string{"a": "ours"})
	own := suffixProvider{map[string][]byte{"desktop": b}}
	s, err := OpenWith(Options{Dir: t.TempDir(), Providers: append([]Provider{own}, Providers()...)})
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Build(t.Context(), "ours:desktop", nil)
	if err != nil {
		t.Fatal(err)
	}
	if img.Source != digest || packed(t, img)["a"] != "ours" {
		t.Errorf("image is %+v", img)
	}
	if _, err := s.Build(t.Context(), "ours:none", nil); !errors.Is(err, ErrUnknownSpec) || !strings.Contains(err.Error(), "use ours:desktop") {
		t.Errorf("Build of nothing: %v", err)
	}
}
