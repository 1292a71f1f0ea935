package rootfs

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// registries is the provider for images in OCI registries: "oci://NAME:TAG",
// "oci://NAME@sha256:HEX", and the same without "oci://". A name without a host
// is one of Docker Hub's.
type registries struct{}

// Match implements [Provider].
func (registries) Match(spec string) (Recipe, error) {
	text, named := strings.CutPrefix(spec, "oci://")
	if !named && (strings.Contains(spec, "://") || strings.HasPrefix(spec, kernelPrefix)) {
		return nil, nil
	}
	ref, err := name.ParseReference(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no image of a registry, such as oci://HOST/NAME:TAG, and of no other kind: use %q or %q for the images of this program", spec, DefaultSpec, MinimalSpec)
	}
	return ociRecipe{ref}, nil
}

// ociRecipe packs the layers of an image in a registry.
type ociRecipe struct{ ref name.Reference }

// Name implements [Recipe].
func (r ociRecipe) Name() string { return "oci://" + r.ref.Name() }

// Space implements [Recipe].
func (r ociRecipe) Space() int64 { return 0 }

// Hash implements [Recipe]. What a tag means now is not part of it: an image
// stays until it is removed.
func (r ociRecipe) Hash() string {
	h := packedHash()
	fmt.Fprintln(h, "oci")
	return hex.EncodeToString(h.Sum(nil))
}

// Bounds of an image in a registry. The library bounds what it reads itself.
const (
	maxLayers    = 500
	maxLayerSize = maxDownload // bytes, compressed, of all together
)

// Build implements [Recipe].
func (r ociRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	if err := job.online("an image of a registry is looked up there"); err != nil {
		return nil, err
	}
	job.Progress(Progress{Phase: PhaseFetch, Detail: r.ref.Context().RegistryStr()})
	registry, err := r.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask registry %s: %w", r.ref.Context().RegistryStr(), err)
	}
	img, config, err := r.resolve(ctx, registry)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", r.ref.Name(), err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	layers, err := r.layers(ctx, job, registry, img)
	if err != nil {
		return nil, err
	}
	m, err := job.pack(ctx, layers...)
	if err != nil {
		return nil, err
	}
	m.Source = digest.Hex
	m.Process = &Process{
		Env:        config.Config.Env,
		User:       config.Config.User,
		WorkingDir: config.Config.WorkingDir,
		Entrypoint: config.Config.Entrypoint,
		Command:    config.Config.Cmd,
	}
	return m, nil
}

// connect returns a way to the registry with what it takes to be let in.
func (r ociRecipe) connect(ctx context.Context) (http.RoundTripper, error) {
	keys := authn.NewMultiKeychain(environmentKeychain{}, authn.DefaultKeychain)
	auth, err := authn.Resolve(ctx, keys, r.ref.Context())
	if err != nil {
		return nil, fmt.Errorf("find what to sign in with: %w", err)
	}
	scope := r.ref.Scope(transport.PullScope)
	return transport.NewWithContext(ctx, r.ref.Context().Registry, auth, newHTTPClient(nil).Transport, []string{scope})
}

// resolve finds the image for this architecture.
func (r ociRecipe) resolve(ctx context.Context, registry http.RoundTripper) (v1.Image, *v1.ConfigFile, error) {
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	desc, err := remote.Get(r.ref, remote.WithContext(ctx), remote.WithTransport(registry), remote.WithPlatform(platform))
	if err != nil {
		return nil, nil, err
	}
	img, err := desc.Image()
	if err != nil {
		return nil, nil, fmt.Errorf("find the image for %s: %w", platform, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	if config.OS != platform.OS || config.Architecture != platform.Architecture {
		return nil, nil, fmt.Errorf("it is for %s/%s, not for %s", config.OS, config.Architecture, platform)
	}
	return img, config, nil
}

// layers fetches the layers of img that are not in the store yet. Each has the
// digest that the manifest says, and holds what the configuration says.
func (r ociRecipe) layers(ctx context.Context, job *Job, registry http.RoundTripper, img v1.Image) ([]tree.Source, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	if n := len(m.Layers); n > maxLayers || n != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the image has %d layers, which are too many or not those of its configuration", n)
	}
	var all, done int64
	for _, l := range m.Layers {
		if !layerTypes[l.MediaType] {
			return nil, fmt.Errorf("a layer is of the type %q, which is no file system", l.MediaType)
		}
		if l.Size < 0 || l.Size > maxLayerSize-all || l.Digest.Algorithm != "sha256" {
			return nil, errors.New("its layers are too large, or named in an unknown way")
		}
		all += l.Size
	}
	client := newHTTPClient(registry)
	var sources []tree.Source
	for i, l := range m.Layers {
		file, err := job.download(ctx, download{
			url: r.blob(l.Digest), digest: l.Digest.Hex, size: l.Size, client: client, done: done, total: all,
		})
		if err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(m.Layers), err)
		}
		done += l.Size
		sources = append(sources, &tree.Archive{
			Open:   func() (io.ReadCloser, error) { return os.Open(file) },
			Layer:  true,
			Digest: config.RootFS.DiffIDs[i].Hex,
			Sum:    l.Digest.Hex,
		})
	}
	return sources, nil
}

var layerTypes = map[types.MediaType]bool{
	types.DockerLayer:             true,
	types.DockerUncompressedLayer: true,
	types.OCILayer:                true,
	types.OCILayerZStd:            true,
	types.OCIUncompressedLayer:    true,
}

// blob returns the address of a layer: OCI distribution specification 1.1.0,
// section "Pulling blobs".
func (r ociRecipe) blob(digest v1.Hash) string {
	repo := r.ref.Context()
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/blobs/" + digest.String()}
	return u.String()
}

// The environment variables that say how to sign in to one registry, where
// there is no configuration of Docker or Podman that does.
const (
	RegistryEnv         = "VMETTE_REGISTRY" // host[:port]; a name and a password are sent to no other
	RegistryUserEnv     = "VMETTE_REGISTRY_USERNAME"
	RegistryPasswordEnv = "VMETTE_REGISTRY_PASSWORD"
)

// environmentKeychain signs in with what the environment says.
type environmentKeychain struct{}

// Resolve implements [authn.Keychain].
func (environmentKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	host := os.Getenv(RegistryEnv)
	if host == "docker.io" {
		host = name.DefaultRegistry
	}
	user, password := os.Getenv(RegistryUserEnv), os.Getenv(RegistryPasswordEnv)
	if host == "" || host != target.RegistryStr() || cmp.Or(user, password) == "" {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: user, Password: password}, nil
}
