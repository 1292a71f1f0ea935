package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// flaky serves a file and breaks each connection after some bytes.
type flaky struct {
	mu      sync.Mutex
	file    []byte
	etag    string
	after   int      // bytes; 0 breaks none
	onBreak func()   // called before a connection breaks; may be nil
	seen    []string // "RANGE / IF-RANGE" of each request
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r.Header.Get("Range")+" / "+r.Header.Get("If-Range"))
	if f.etag != "" {
		w.Header().Set("ETag", f.etag)
	}
	out := w
	if f.after > 0 {
		out = &breaking{ResponseWriter: w, left: f.after, onBreak: f.onBreak}
	}
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(f.file))
}

// breaking lets some bytes through and then ends the connection.
type breaking struct {
	http.ResponseWriter
	left    int
	onBreak func()
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) <= b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:b.left])
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	if b.onBreak != nil {
		b.onBreak()
	}
	panic(http.ErrAbortHandler)
}

// someFile is long enough for several connections.
var someFile = bytes.Repeat([]byte("0123456789abcdef"), 4096)

func newJob(t testing.TB, dir string) *Job {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Job{Dir: t.TempDir(), Progress: func(Progress) {}, store: s}
}

func TestDownloadGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server *flaky
		digest string
		want   []string // the requests
	}{
		{"at once", &flaky{file: someFile}, "", []string{" / "}},
		{
			"a server that tells versions", &flaky{file: someFile, after: 30_000, etag: `"v1"`}, "",
			[]string{" / ", `bytes=30000- / "v1"`, `bytes=60000- / "v1"`},
		},
		{
			"a digest that is known", &flaky{file: someFile, after: 30_000}, hexSum(someFile),
			[]string{" / ", "bytes=30000- / ", "bytes=60000- / "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			web := httptest.NewServer(tt.server)
			defer web.Close()
			j := newJob(t, t.TempDir())
			file, err := j.download(t.Context(), download{url: web.URL, digest: tt.digest, client: newHTTPClient(nil)})
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, someFile) {
				t.Errorf("%d bytes came, %v", len(b), err)
			}
			if fmt.Sprint(tt.server.seen) != fmt.Sprint(tt.want) {
				t.Errorf("requests were %q, want %q", tt.server.seen, tt.want)
			}
			if left := names(t, filepath.Dir(file)); len(left) != 1 {
				t.Errorf("downloads holds %v, want the file alone", left)
			}
		})
	}
}

// TestDownloadGoesOnLater breaks a download off, and begins it again as another
// process would.
func TestDownloadGoesOnLater(t *testing.T) {
	for name, change := range map[string]func(f *flaky){
		"the same file":     func(*flaky) {},
		"another meanwhile": func(f *flaky) { f.file, f.etag = bytes.ToUpper(someFile), `"v2"` },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			// The connection hangs until the client gives up.
			f := &flaky{file: someFile, etag: `"v1"`, after: 30_000, onBreak: func() { <-ctx.Done() }}
			web := httptest.NewServer(f)
			defer web.Close()
			d := download{url: web.URL, client: newHTTPClient(nil)}
			j := newJob(t, dir)
			j.Progress = func(p Progress) {
				if p.Done == 30_000 {
					cancel()
				}
			}
			if _, err := j.download(ctx, d); !errors.Is(err, context.Canceled) {
				t.Fatalf("download: %v, want that it was cancelled", err)
			}
			f.mu.Lock()
			f.after = 0
			change(f)
			want := f.file
			f.mu.Unlock()
			file, err := newJob(t, dir).download(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, want) {
				t.Errorf("%d bytes came, %v, which are not the file", len(b), err)
			}
			if last := f.seen[len(f.seen)-1]; !strings.HasPrefix(last, "bytes=") || !strings.HasSuffix(last, `"v1"`) {
				t.Errorf("the second download asked for %q, want the rest of the first version", last)
			}
		})
	}
}

func TestDownloadOnce(t *testing.T) {
	f := &flaky{file: someFile}
	web := httptest.NewServer(f)
	defer web.Close()
	dir := t.TempDir()
	d := download{url: web.URL, digest: hexSum(someFile), client: newHTTPClient(nil)}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := newJob(t, dir).download(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(f.seen) != 1 {
		t.Errorf("four that want one file asked %d times", len(f.seen))
	}
}

func TestDownloadRefuses(t *testing.T) {
	plain := httptest.NewServer(&flaky{file: someFile})
	defer plain.Close()
	for _, tt := range []struct {
		name    string
		handler http.Handler
		d       download
		want    string
	}{
		{"nothing there", http.NotFoundHandler(), download{}, "404"},
		{"another file", &flaky{file: someFile}, download{digest: strings.Repeat("0", 64)}, hexSum(someFile)},
		{"a longer file", &flaky{file: someFile}, download{digest: hexSum(someFile), size: 10}, "offers 65536 bytes, not 10"},
		{
			"a file longer than it says it is", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = http.NewResponseController(w).Flush() // no length is sent then
				_, _ = w.Write(someFile)
			}), download{size: 10}, "more than 10 bytes",
		},
		{
			"more than any disk has", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<62))
				_, _ = w.Write(someFile)
			}), download{}, "offers 4611686018427387904 bytes",
		},
		{
			"a connection that brings nothing", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			}), download{}, "EOF",
		},
		{
			"a part that was not asked for", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Range", "bytes 5-9/10")
				w.WriteHeader(http.StatusPartialContent)
			}), download{}, "206",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			web := httptest.NewServer(tt.handler)
			defer web.Close()
			j := newJob(t, t.TempDir())
			tt.d.url, tt.d.client = web.URL, newHTTPClient(nil)
			_, err := j.download(t.Context(), tt.d)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("download: %v, want an error with %q", err, tt.want)
			}
			for _, name := range names(t, filepath.Join(j.store.dir, "downloads")) {
				if strings.HasPrefix(name, blobPrefix) {
					t.Errorf("%s is kept as if it were complete", name)
				}
			}
		})
	}
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	d := download{url: secure.URL, client: newHTTPClient(secure.Client().Transport)}
	if _, err := newJob(t, t.TempDir()).download(t.Context(), d); err == nil || !strings.Contains(err.Error(), "from https to") {
		t.Errorf("a redirection to http: %v, want that it is refused", err)
	}
}

// TestEvict fills a store beyond its limit. What was used last stays.
func TestEvict(t *testing.T) {
	dir := t.TempDir()
	s := openFake(t, dir, &fakeProvider{})
	age := func(path string, hours time.Duration) {
		t.Helper()
		at := time.Now().Add(-hours * time.Hour)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, hours time.Duration) string {
		t.Helper()
		file := filepath.Join(dir, "downloads", name)
		if err := os.WriteFile(file, make([]byte, 10_000), 0o644); err != nil {
			t.Fatal(err)
		}
		age(file, hours)
		return file
	}
	for i, spec := range []string{"fake:old", "fake:used", "fake:new"} {
		img, err := s.Build(t.Context(), spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		age(filepath.Dir(img.Manifest), time.Duration(50-i))
	}
	if _, err := s.Get(t.Context(), "fake:used"); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	put("sha256-old", 3)
	put("half.part", 0)

	s.limit = 10_000 + 3*list[0].Size + list[0].Size/2
	if _, err := s.Build(t.Context(), "fake:one more", nil); err != nil {
		t.Fatal(err)
	}
	if left := names(t, filepath.Join(dir, "downloads")); fmt.Sprint(left) != "[half.part]" {
		t.Errorf("downloads holds %v, want what is used", left)
	}
	for spec, want := range map[string]error{"fake:old": ErrNotBuilt, "fake:used": nil, "fake:new": nil, "fake:one more": nil} {
		if _, err := s.Get(t.Context(), spec); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", spec, err, want)
		}
	}
}
