package rootfs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// download is a file to fetch.
type download struct {
	url    string
	digest string       // SHA-256 in hex that it must have; empty when it may have any
	size   int64        // in bytes, of all there is to know beforehand; 0 when unknown
	client *http.Client // with what it takes to be let in
	done   int64        // bytes of other downloads that progress counts before these
	total  int64        // bytes of all downloads; 0 when this is the only one
}

// Bounds of a download.
const (
	maxDownload  = 64 << 30     // bytes
	stallTimeout = time.Minute  // without a byte
	maxAttempts  = 20           // connections, each of which brought something
	maxPartMeta  = 4 << 10      // bytes of what is noted of a download that is not complete
	partSuffix   = ".part"      // of its file
	metaSuffix   = ".json"      // of what is noted of it
	blobPrefix   = "sha256-"    // of the file of a complete one
	userAgent    = "vmette-mcp" // who asks
)

// download returns a file in the store with what is at d.url. A download that
// was broken off goes on where it was, also one of another process. The file's
// name is its digest.
func (j *Job) download(ctx context.Context, d download) (string, error) {
	dir := filepath.Join(j.store.dir, "downloads")
	if d.digest != "" {
		if file := filepath.Join(dir, blobPrefix+d.digest); use(file) {
			return file, nil
		}
	}
	if err := j.online("the image is not downloaded yet"); err != nil {
		return "", err
	}
	key := cmp.Or(d.digest, d.url)
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:16])
	unlock, err := j.store.lock(ctx, "download-"+name, j.Progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if d.digest != "" {
		if file := filepath.Join(dir, blobPrefix+d.digest); use(file) {
			return file, nil
		}
	}
	part := filepath.Join(dir, name+partSuffix)
	if err := j.fetch(ctx, d, part); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	f, err := hashFile(dir, filepath.Base(part))
	if err != nil {
		return "", err
	}
	_ = os.Remove(part + metaSuffix)
	if d.digest != "" && f.SHA256 != d.digest {
		_ = os.Remove(part)
		return "", fmt.Errorf("download: what came has the SHA-256 %s, not %s", f.SHA256, d.digest)
	}
	file := filepath.Join(dir, blobPrefix+f.SHA256)
	return file, errors.Join(os.Rename(part, file), syncDir(dir))
}

// use reports whether the store has a file, and notes that it was used.
func use(file string) bool {
	now := time.Now()
	return os.Chtimes(file, now, now) == nil
}

// partMeta is what is noted of a download that is not complete. It holds no
// address: that may be secret.
type partMeta struct {
	Validator string `json:"validator"` // what If-Range takes; empty when the server gave none
}

// fetch completes the file part. A connection that breaks is made anew as long
// as each brings something.
func (j *Job) fetch(ctx context.Context, d download, part string) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for attempt := 1; ; attempt++ {
		before, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		err = j.fetchOnce(ctx, d, f, before)
		if err == nil {
			return nil
		}
		after, seekErr := f.Seek(0, io.SeekEnd)
		if seekErr != nil {
			return seekErr
		}
		var broken *brokenError
		if ctx.Err() != nil || !errors.As(err, &broken) || after <= before || attempt == maxAttempts {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// brokenError reports a connection that ended early.
type brokenError struct{ err error }

// Error implements error.
func (e *brokenError) Error() string { return fmt.Sprintf("the connection broke: %v", e.err) }

// Unwrap returns what happened to the connection.
func (e *brokenError) Unwrap() error { return e.err }

// fetchOnce makes one connection and appends to f, which has offset bytes.
func (j *Job) fetchOnce(ctx context.Context, d download, f *os.File, offset int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("nothing came for %v", stallTimeout)) })
	defer stall.Stop()

	meta := readPartMeta(f.Name() + metaSuffix)
	if d.digest == "" && meta.Validator == "" {
		offset = 0 // nobody could say whether it is still the same file
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		if meta.Validator != "" {
			req.Header.Set("If-Range", meta.Validator)
		}
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		// It is complete, or longer than the file is now: the digest tells.
		if d.digest != "" && d.size == offset {
			return nil
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		return j.fetchOnce(ctx, d, f, 0)
	case resp.StatusCode == http.StatusOK:
		offset = 0
	default:
		return fmt.Errorf("the server answers %q", resp.Status)
	}
	if err := f.Truncate(offset); err != nil {
		return err
	}
	writePartMeta(f.Name()+metaSuffix, resp)
	return j.receive(ctx, d, f, offset, resp, stall)
}

// receive appends the body of resp to f, which has offset bytes.
func (j *Job) receive(ctx context.Context, d download, f *os.File, offset int64, resp *http.Response, stall *time.Timer) error {
	size := d.size
	if resp.ContentLength >= 0 {
		size = offset + resp.ContentLength
	}
	if d.size > 0 && size != d.size || size > maxDownload {
		return fmt.Errorf("the server offers %d bytes, not %d", size, cmp.Or(d.size, maxDownload))
	}
	if size > 0 {
		if err := checkSpace(filepath.Dir(f.Name()), size-offset); err != nil {
			return err
		}
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	body := readerFunc(func(b []byte) (int, error) {
		n, err := resp.Body.Read(b)
		stall.Reset(stallTimeout)
		if err != nil && !errors.Is(err, io.EOF) {
			err = &brokenError{causeOf(ctx, err)}
		}
		return n, err
	})
	total := cmp.Or(d.total, size)
	counted := &progressReader{
		r: body, report: j.Progress,
		p: Progress{Phase: PhaseFetch, Done: d.done + offset, Total: total, Unit: "bytes"},
	}
	limit := int64(maxDownload)
	if d.size > 0 {
		limit = d.size
	}
	n, err := io.Copy(f, io.LimitReader(counted, limit-offset+1))
	switch {
	case err != nil:
		return err
	case offset+n > limit:
		return fmt.Errorf("the server sends more than %d bytes", limit)
	}
	return nil
}

// causeOf returns why ctx ended, if that is why err happened.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func readPartMeta(name string) partMeta {
	var m partMeta
	if b, err := readLimited(name, maxPartMeta); err == nil {
		_ = json.Unmarshal(b, &m) // without it the download begins anew
	}
	return m
}

// writePartMeta notes by what the server can tell that the file is still the
// same: a strong ETag or, weaker, its time (RFC 9110 section 13.1.5).
func writePartMeta(name string, resp *http.Response) {
	m := partMeta{Validator: resp.Header.Get("ETag")}
	if strings.HasPrefix(m.Validator, "W/") || m.Validator == "" {
		m.Validator = resp.Header.Get("Last-Modified")
	}
	b, err := json.Marshal(m)
	if err != nil || len(b) > maxPartMeta || os.WriteFile(name, b, 0o644) != nil {
		_ = os.Remove(name)
	}
}

// newHTTPClient returns a client that goes through rt, or through one of its
// own when that is nil. It never goes from https to http.
func newHTTPClient(rt http.RoundTripper) *http.Client {
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = stallTimeout
		rt = t
	}
	return &http.Client{
		Transport: rt,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 10 {
				return errors.New("more than 10 redirections")
			}
			if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errors.New("the server redirects from https to " + strconv.Quote(req.URL.Scheme))
			}
			return nil
		},
	}
}
