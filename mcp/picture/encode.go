package picture

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/vmette/vmette-mcp/desktop"
)

// Image is a picture as a file.
type Image struct {
	Data  []byte
	MIME  string // "image/png" or "image/jpeg"
	Lossy bool   // colours are not exact: it did not fit as PNG
	View  View   // what it shows
}

// Base64Len is the length of Data in base64.
func (i Image) Base64Len() int { return base64.StdEncoding.EncodedLen(len(i.Data)) }

// smallGain is what the small filter can be expected to save over the quick one,
// as a part of the file: for a picture that is further over the budget it is
// not worth trying.
const smallGain = 0.15

// qualities of JPEG, tried from the first.
var qualities = [...]int{90, 80, 65, 50, 35, 20, 10, 1}

// Encode makes a file of a picture within a budget. It is an error when p is
// malformed, or when the budget of bytes is too small for its budget of pixels.
// It does not keep p. It may be called from several goroutines.
func Encode(p desktop.Picture, b Budget) (Image, error) {
	return EncodeSize(p, NewView(regionOf(p), b).Size, b)
}

// EncodeSize is like [Encode] for a picture that is to have another size, which is
// no larger than its own.
func EncodeSize(p desktop.Picture, size desktop.Size, b Budget) (Image, error) {
	b = b.WithDefaults()
	if !p.Size.Valid() || len(p.Pix) != p.Size.Width*p.Size.Height*4 {
		return Image{}, fmt.Errorf("encode picture: %d bytes for %v", len(p.Pix), p.Size)
	}
	if !size.Valid() || size.Width > p.Size.Width || size.Height > p.Size.Height {
		return Image{}, fmt.Errorf("encode picture: %v cannot be made of %v", size, p.Size)
	}
	v := View{regionOf(p), size}
	pix := p.Pix
	if v.Scaled() {
		pix = scaleDown(pix, p.Size, v.Size)
	}
	limit := b.maxFile()
	data := encodePNG(pix, v.Size, quick)
	if len(data) > limit && float64(len(data))*(1-smallGain) <= float64(limit) {
		data = encodePNG(pix, v.Size, small)
	}
	if len(data) <= limit {
		return Image{Data: data, MIME: "image/png", View: v}, nil
	}
	img := toRGBA(pix, v.Size)
	for _, q := range qualities {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: q}); err != nil {
			return Image{}, fmt.Errorf("encode picture: %w", err)
		}
		if buf.Len() <= limit {
			return Image{Data: buf.Bytes(), MIME: "image/jpeg", Lossy: true, View: v}, nil
		}
	}
	return Image{}, fmt.Errorf("encode picture: %v does not fit into %d bytes of base64: allow more bytes or fewer pixels", v.Size, b.MaxBase64)
}

// regionOf is the part of the screen that a picture shows.
func regionOf(p desktop.Picture) desktop.Rect {
	return desktop.Rect{X0: p.Origin.X, Y0: p.Origin.Y, X1: p.Origin.X + p.Size.Width, Y1: p.Origin.Y + p.Size.Height}
}

func toRGBA(pix []byte, size desktop.Size) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	for i := 0; i < len(pix); i += 4 {
		src, dst := pix[i:i+4:i+4], img.Pix[i:i+4:i+4]
		dst[0], dst[1], dst[2], dst[3] = src[2], src[1], src[0], 0xff
	}
	return img
}
