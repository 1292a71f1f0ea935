package rootfs

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxDownloads is how many bytes downloads may take for long: they are of use
// when an image is built again, or another of the same layers.
const maxDownloads = 4 << 30

// keepUsed is how long what was used is never removed: somebody may be about to
// open it.
const keepUsed = time.Hour

// touch notes that an image was used, in the time of its directory.
func (s *Store) touch(img *Image) {
	now := time.Now()
	_ = os.Chtimes(filepath.Dir(img.Manifest), now, now)
}

// stored is a thing that takes space in the store.
type stored struct {
	size   int64
	used   time.Time
	remove func() error
}

// evict removes what has not been used for longest as far as the limits demand
// it, but never built. What resists is only logged: the next build tries again.
func (s *Store) evict(built *Image) {
	downloads := s.downloads()
	all := total(downloads)
	all -= s.evictDown(downloads, all-maxDownloads)
	if s.limit <= 0 {
		return
	}
	images, err := s.List()
	if err != nil {
		s.log.Warn("cannot look for images to remove", "err", err)
		return
	}
	var things []stored
	for _, img := range images {
		all += img.Size
		fi, err := os.Stat(filepath.Dir(img.Manifest))
		if err != nil || img.ID == built.ID {
			continue
		}
		things = append(things, stored{img.Size, fi.ModTime(), func() error { return s.remove(img) }})
	}
	all -= s.evictDown(s.downloads(), all-s.limit)
	s.evictDown(things, all-s.limit)
}

// evictDown removes things until excess bytes are gone, if there are that many,
// and returns how many are.
func (s *Store) evictDown(things []stored, excess int64) (gone int64) {
	slices.SortFunc(things, func(a, b stored) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
	for _, t := range things {
		if gone >= excess || time.Since(t.used) < keepUsed {
			break
		}
		if err := t.remove(); err != nil {
			s.log.Warn("cannot remove what was not used for long", "err", err)
			continue
		}
		gone += t.size
	}
	return gone
}

// downloads returns what is in the directory of downloads, those that are not
// complete included.
func (s *Store) downloads() []stored {
	dir := filepath.Join(s.dir, "downloads")
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.log.Warn("cannot look for downloads to remove", "err", err)
	}
	var things []stored
	for _, e := range entries {
		if fi, err := e.Info(); err == nil {
			file := filepath.Join(dir, e.Name())
			things = append(things, stored{fi.Size(), fi.ModTime(), func() error { return os.Remove(file) }})
		}
	}
	return things
}

func total(things []stored) int64 {
	var sum int64
	for _, t := range things {
		sum += t.size
	}
	return sum
}
