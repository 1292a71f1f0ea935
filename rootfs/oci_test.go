package rootfs

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newRegistry starts a registry on the loopback; wrap may stand between. It returns its
// host and port.
func newRegistry(t testing.TB, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	// Nothing of the person who runs the test signs in.
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("REGISTRY_AUTH_FILE", "")
	return strings.TrimPrefix(s.URL, "http://")
}

// layerOf returns a layer with the entries.
func layerOf(t testing.TB, headers ...tar.Header) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		contents := []byte("contents of " + h.Name)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(contents))
		} else {
			contents = nil
		}
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write(contents)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func regular(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}
}

// imageFor returns an image for an architecture with the layers.
func imageFor(t testing.TB, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, configOf(t, img, arch))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func configOf(t testing.TB, img v1.Image, arch string) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	c.Config = v1.Config{
		Env: []string{"PATH=/opt/bin", "LANG=C.UTF-8"}, User: "me:us", WorkingDir: "/work",
		Entrypoint: []string{"/entry", "-x"}, Cmd: []string{"serve"},
	}
	return c
}

func push(t testing.TB, ref string, what remote.Taggable) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(r, what, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func otherArch() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// TestRegistryImage takes the image of this architecture out of an index, with
// what its layers add and remove, by tag and by digest.
func TestRegistryImage(t *testing.T) {
	fakeTools(t, "echo tree")
	host := newRegistry(t, nil)
	ours := imageFor(t, runtime.GOARCH,
		layerOf(t, regular("etc/a"), regular("etc/b")),
		layerOf(t, regular("etc/.wh.a"), regular("bin/sh")))
	theirs := imageFor(t, otherArch(), layerOf(t, regular("foreign")))
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: theirs, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: otherArch()}}},
		mutate.IndexAddendum{Add: ours, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}})
	push(t, host+"/desk/top:v1", index)
	digest, err := ours.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{host + "/desk/top:v1", "oci://" + host + "/desk/top:v1", "oci://" + host + "/desk/top@" + digest.String()} {
		img, err := s.Build(t.Context(), spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"etc/b": "contents of etc/b", "bin/sh": "contents of bin/sh"}
		if diff := cmp.Diff(want, own(t, packed(t, img))); diff != "" {
			t.Errorf("%s: packed (-want +got):\n%s", spec, diff)
		}
		process := &Process{
			Env: []string{"PATH=/opt/bin", "LANG=C.UTF-8"}, User: "me:us", WorkingDir: "/work",
			Entrypoint: []string{"/entry", "-x"}, Command: []string{"serve"},
		}
		if diff := cmp.Diff(process, img.Process); diff != "" {
			t.Errorf("%s: process (-want +got):\n%s", spec, diff)
		}
		if img.Source != digest.Hex {
			t.Errorf("%s: made from %s, want %s", spec, img.Source, digest.Hex)
		}
	}
	if n := len(names(t, filepath.Join(s.Dir(), "downloads"))); n != 2 {
		t.Errorf("%d downloads are kept, want the two layers", n)
	}
}

// TestRegistryImageRefused has images that are not what they say.
func TestRegistryImageRefused(t *testing.T) {
	fakeTools(t, "echo tree")
	var tampered v1.Hash
	host := newRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && tampered.Hex != "" && strings.HasSuffix(r.URL.Path, tampered.String()) {
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				b := answer.Body.Bytes()
				b[len(b)/2] ^= 1
				_, _ = w.Write(b)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	good := imageFor(t, runtime.GOARCH, layerOf(t, regular("a")))
	push(t, host+"/other:arch", imageFor(t, otherArch(), layerOf(t, regular("a"))))
	push(t, host+"/other:index", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: good, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "windows", Architecture: runtime.GOARCH}},
	}))
	push(t, host+"/no:filesystem", imageFor(t, runtime.GOARCH, static.NewLayer([]byte("model"), "application/vnd.model")))
	push(t, host+"/no:layers", imageFor(t, runtime.GOARCH))

	swapped := imageFor(t, runtime.GOARCH, layerOf(t, regular("b")))
	c := configOf(t, swapped, runtime.GOARCH)
	c.RootFS.DiffIDs[0].Hex = strings.Repeat("0", 64)
	swapped, err := mutate.ConfigFile(swapped, c)
	if err != nil {
		t.Fatal(err)
	}
	push(t, host+"/swapped:layer", swapped)

	evil := imageFor(t, runtime.GOARCH, layerOf(t, regular("x")), layerOf(t, regular("../../etc/passwd")))
	push(t, host+"/evil:name", evil)

	bad := imageFor(t, runtime.GOARCH, layerOf(t, regular("c")))
	push(t, host+"/bad:layer", bad)
	m, err := bad.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	tampered = m.Layers[0].Digest

	for _, tt := range []struct{ spec, want string }{
		{host + "/none:here", "MANIFEST_UNKNOWN|NAME_UNKNOWN"},
		{host + "/other:arch", "not for linux/" + runtime.GOARCH},
		{host + "/other:index", "linux/" + runtime.GOARCH},
		{host + "/no:filesystem", "no file system"},
		{host + "/no:layers", "no files"},
		{host + "/swapped:layer", "digest"},
		{host + "/evil:name", `".." in it`},
		{host + "/bad:layer", tampered.Hex},
	} {
		s, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Build(t.Context(), tt.spec, nil)
		found := false
		for want := range strings.SplitSeq(tt.want, "|") {
			found = found || err != nil && strings.Contains(err.Error(), want)
		}
		if !found {
			t.Errorf("%s: %v, want an error with %q", tt.spec, err, tt.want)
		}
		if left := names(t, filepath.Join(s.Dir(), "staging")); len(left) > 0 {
			t.Errorf("%s: staging holds %v", tt.spec, left)
		}
	}
}

// TestRegistrySignIn has a registry that lets only one user in.
func TestRegistrySignIn(t *testing.T) {
	fakeTools(t, "echo tree")
	host := newRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	sign := func(registry string) {
		t.Setenv(RegistryEnv, registry)
		t.Setenv(RegistryUserEnv, "me")
		t.Setenv(RegistryPasswordEnv, "secret")
	}
	build := func() error {
		s, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Build(t.Context(), host+"/a:b", nil)
		return err
	}
	if err := build(); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a name: %v, want to be refused", err)
	}
	sign("elsewhere.example")
	if err := build(); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with a name for another registry: %v, want to be refused", err)
	} else if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error %q holds the password", err)
	}
	sign(host)
	ref, err := name.ParseReference(host + "/a:b")
	if err != nil {
		t.Fatal(err)
	}
	img := imageFor(t, runtime.GOARCH, layerOf(t, regular("a")))
	if err := remote.Push(ref, img, remote.WithContext(t.Context()), remote.WithAuthFromKeychain(environmentKeychain{})); err != nil {
		t.Fatal(err)
	}
	if err := build(); err != nil {
		t.Errorf("with the name of the environment: %v", err)
	}
	sign("")
	config := `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("me:secret")) + `"}}}`
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := build(); err != nil {
		t.Errorf("with Docker's configuration: %v", err)
	}
}

// TestLayerTypes packs layers of the kinds that registries hold.
func TestLayerTypes(t *testing.T) {
	fakeTools(t, "echo tree")
	host := newRegistry(t, nil)
	plain, err := layerOf(t, regular("plain")).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(plain)
	if err := errors.Join(err, plain.Close()); err != nil {
		t.Fatal(err)
	}
	img := imageFor(t, runtime.GOARCH, layerOf(t, regular("gzip")), static.NewLayer(b, types.OCIUncompressedLayer))
	push(t, host+"/a:b", img)
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Build(t.Context(), host+"/a:b", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"gzip": "contents of gzip", "plain": "contents of plain"}
	if diff := cmp.Diff(want, own(t, packed(t, got))); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}
}
