package mcp

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // files that are shown as pictures
	_ "image/png"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	maxFileText   = 64 << 10  // bytes of text in one answer
	maxFileBinary = 256 << 10 // bytes in one answer, which holds them twice in base64
	maxFilePart   = 64 << 10  // bytes that are read when no length was asked for
	maxImageFile  = 8 << 20   // bytes of a file that is shown as a picture
	maxImageArea  = 8 << 20   // pixels of it; decoding takes up to 16 bytes for each
	maxEntries    = 500       // of a directory in one answer
)

// FileOutcome is the structured content of read_file and write_file.
type FileOutcome struct {
	DesktopID string       `json:"desktop_id" jsonschema:"the desktop it is on"`
	Path      string       `json:"path" jsonschema:"where it is, without symlinks"`
	Size      int64        `json:"size" jsonschema:"of the whole file in bytes"`
	Mode      string       `json:"mode" jsonschema:"permission bits in octal"`
	Owner     string       `json:"owner"`
	Modified  string       `json:"modified" jsonschema:"RFC 3339"`
	Offset    int64        `json:"offset,omitempty" jsonschema:"the byte of the file that what was read begins with"`
	Length    int          `json:"length,omitempty" jsonschema:"how many bytes were read"`
	Next      int64        `json:"next_offset,omitempty" jsonschema:"the offset to go on with; absent at the end of the file"`
	Text      string       `json:"text,omitempty" jsonschema:"what was read, when it is text"`
	Base64    string       `json:"base64,omitempty" jsonschema:"what was read, when it is neither text nor shown as a picture"`
	Picture   *PictureInfo `json:"picture,omitempty" jsonschema:"of the picture that is sent along; absent when none is"`
	Notices   []string     `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// bounded returns an action that asks for no more than a result can hold.
func bounded(a desktop.Action) desktop.Action {
	r, ok := a.(desktop.ReadFile)
	if !ok {
		return a
	}
	if r.Length == 0 {
		r.Length = maxFilePart
	}
	r.Length = min(r.Length, maxFileBinary)
	return r
}

// fileRead answers a read_file.
func (c *call) fileRead(ctx context.Context, d Desktop, a desktop.Action, res *desktop.Result) *mcp.CallToolResult {
	asked, _ := a.(desktop.ReadFile)
	out := fileOutcome(d.Info().ID, res)
	// A guest may answer more than it was asked for.
	data := res.Data[:min(len(res.Data), maxFileBinary)]
	if asked.Offset == 0 && asked.Length == 0 && isImage(data) && out.Size <= maxImageFile {
		if content, info := c.fileAsPicture(ctx, d, asked, res.File, data); content != nil {
			out.Picture, out.Length = info, int(out.Size)
			text := fmt.Sprintf("%s is a picture, shown here with %dx%d pixels.", out.describe(), info.Width, info.Height)
			r := result(out, withNotices(out.Notices, text))
			r.Content = append(r.Content, content)
			return r
		}
	}
	if len(data) == 0 {
		if asked.Offset > 0 {
			return result(out, withNotices(out.Notices, fmt.Sprintf("%s: there is nothing from byte %d on.", out.describe(), asked.Offset)))
		}
		return result(out, withNotices(out.Notices, out.describe()+": it is empty."))
	}
	more := asked.Offset+int64(len(data)) < out.Size
	text, skipped, isText := asText(data, asked.Offset > 0, more)
	out.Offset = asked.Offset + int64(skipped)
	if isText {
		out.Text, out.Length = text, len(text)
	} else {
		out.Offset = asked.Offset
		out.Base64, out.Length = base64.StdEncoding.EncodeToString(data), len(data)
	}
	if end := out.Offset + int64(out.Length); end < out.Size {
		out.Next = end
	}
	part := ""
	if out.Offset > 0 || out.Next != 0 {
		part = fmt.Sprintf(", bytes %d to %d", out.Offset, out.Offset+int64(out.Length)-1)
	}
	if out.Next != 0 {
		part += fmt.Sprintf("; go on with offset %d", out.Next)
	}
	if !isText {
		r := result(out, withNotices(out.Notices, fmt.Sprintf("%s%s. It is not text: it follows in base64.", out.describe(), part)))
		r.Content = append(r.Content, mcp.NewEmbeddedResource(mcp.BlobResourceContents{
			URI:      (&url.URL{Scheme: "file", Path: out.Path}).String(),
			MIMEType: "application/octet-stream",
			Blob:     out.Base64,
		}))
		return r
	}
	return result(out, withNotices(out.Notices, fmt.Sprintf("%s%s:\n%s", out.describe(), part, text)))
}

// asText returns the text that data, a part of a file, is: at most maxFileText
// bytes, without the halves of characters at its ends that belong to other parts.
// Text has no control characters but tab, newline and carriage return.
func asText(data []byte, before, after bool) (text string, skipped int, ok bool) {
	for before && skipped < min(len(data), utf8.UTFMax-1) && !utf8.RuneStart(data[skipped]) {
		skipped++
	}
	data = data[skipped:]
	if len(data) > maxFileText {
		data, after = data[:maxFileText], true
	}
	if after {
		for n := 1; n <= min(utf8.UTFMax, len(data)); n++ {
			if last := data[len(data)-n:]; utf8.RuneStart(last[0]) {
				if !utf8.FullRune(last) {
					data = data[:len(data)-n]
				}
				break
			}
		}
	}
	isControl := func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' }
	if len(data) == 0 || !utf8.Valid(data) || bytes.ContainsFunc(data, isControl) {
		return "", 0, false
	}
	return string(data), skipped, true
}

func isImage(data []byte) bool {
	kind := http.DetectContentType(data)
	return kind == "image/png" || kind == "image/jpeg"
}

// fileAsPicture shows a file that is a picture, of which head has been read. It
// returns nil when that cannot be done.
func (c *call) fileAsPicture(ctx context.Context, d Desktop, a desktop.ReadFile, file *desktop.File, head []byte) (mcp.Content, *PictureInfo) {
	if int64(len(head)) < file.Size {
		a.Length = maxImageFile
		res, err := c.do(ctx, d, a, desktop.Observe{})
		c.conv.keepNotices(d.Info().ID, res.Notices)
		if err != nil || res.File == nil || int64(len(res.Data)) < res.File.Size {
			return nil, nil
		}
		head = res.Data[:min(len(res.Data), maxImageFile)]
	}
	p, ok := decodeImage(head)
	if !ok {
		return nil, nil
	}
	content, info, err := encodePicture(p, c.settings.budget)
	if err != nil {
		return nil, nil
	}
	return content, info
}

// decodeImage decodes a picture of a bounded size.
func decodeImage(data []byte) (desktop.Picture, bool) {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxImageArea/cfg.Height {
		return desktop.Picture{}, false
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return desktop.Picture{}, false
	}
	b := img.Bounds()
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(rgba, rgba.Rect, img, b.Min, draw.Over)
	for i := 0; i+3 < len(rgba.Pix); i += 4 {
		rgba.Pix[i], rgba.Pix[i+2] = rgba.Pix[i+2], rgba.Pix[i]
	}
	return desktop.Picture{Size: desktop.Size{Width: b.Dx(), Height: b.Dy()}, Pix: rgba.Pix}, true
}

// fileWritten answers a write_file.
func fileWritten(id string, res *desktop.Result) *mcp.CallToolResult {
	out := fileOutcome(id, res)
	return result(out, withNotices(out.Notices, "Wrote "+out.describe()+"."))
}

func fileOutcome(id string, res *desktop.Result) FileOutcome {
	var f desktop.File
	if res.File != nil {
		f = *res.File
	}
	return FileOutcome{
		DesktopID: id,
		Path:      desktop.PlainLine(f.Name, desktop.MaxFilePath),
		Size:      f.Size,
		Mode:      fmt.Sprintf("%04o", f.Mode),
		Owner:     desktop.PlainLine(f.Owner, maxExcerpt),
		Modified:  instant(f.Modified),
		Notices:   notices(res.Notices),
	}
}

func (o FileOutcome) describe() string {
	return fmt.Sprintf("%s (%s, mode %s, owner %s, modified %s)", o.Path, plural(o.Size, "byte", "bytes"), o.Mode, o.Owner, o.Modified)
}

// instant is a Unix time in milliseconds as results hold it.
func instant(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// ListingOutcome is the structured content of list_files.
type ListingOutcome struct {
	DesktopID string         `json:"desktop_id" jsonschema:"the desktop it is on"`
	Files     []EntryOutcome `json:"files" jsonschema:"by name"`
	Total     int            `json:"total" jsonschema:"entries of the whole directory"`
	Next      int            `json:"next_offset,omitempty" jsonschema:"the offset to go on with; absent at the end"`
	Notices   []string       `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// EntryOutcome is one entry of a directory.
type EntryOutcome struct {
	Name     string `json:"name" jsonschema:"bytes that are not UTF-8 as \\xHH"`
	Type     string `json:"type" jsonschema:"file, directory, symlink or other"`
	Size     int64  `json:"size" jsonschema:"in bytes"`
	Mode     string `json:"mode" jsonschema:"permission bits in octal"`
	Owner    string `json:"owner"`
	Modified string `json:"modified" jsonschema:"RFC 3339"`
	Target   string `json:"target,omitempty" jsonschema:"of a symlink"`
}

// filesListed answers a list_files.
func filesListed(id string, a desktop.Action, res *desktop.Result) *mcp.CallToolResult {
	var l desktop.Listing
	if res.Listing != nil {
		l = *res.Listing
	}
	asked, _ := a.(desktop.ListFiles)
	out := ListingOutcome{DesktopID: id, Files: []EntryOutcome{}, Total: l.Total, Notices: notices(res.Notices)}
	lines := []string{plural(l.Total, "entry", "entries") + ":"}
	for _, f := range l.Files[:min(len(l.Files), maxEntries)] {
		e := EntryOutcome{
			Name:     desktop.PlainLine(f.Name, desktop.MaxFilePath),
			Type:     string(f.Type),
			Size:     f.Size,
			Mode:     fmt.Sprintf("%04o", f.Mode),
			Owner:    desktop.PlainLine(f.Owner, maxExcerpt),
			Modified: instant(f.Modified),
			Target:   desktop.PlainLine(f.Target, desktop.MaxFilePath),
		}
		line := fmt.Sprintf("%-9s %s %-8s %10d %s %s", e.Type, e.Mode, e.Owner, e.Size, e.Modified, e.Name)
		if e.Target != "" {
			line += " -> " + e.Target
		}
		out.Files, lines = append(out.Files, e), append(lines, line)
	}
	if next := asked.Offset + len(out.Files); next < l.Total && len(out.Files) > 0 {
		out.Next = next
		lines = append(lines, fmt.Sprintf("These are %d to %d; go on with offset %d.", asked.Offset+1, next, next))
	}
	return result(out, withNotices(out.Notices, strings.Join(lines, "\n")))
}
