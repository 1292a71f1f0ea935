package mcp

import (
	"encoding/base64"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
)

// shown is what an answer shows of the screen.
type shown struct {
	contents []mcp.Content
	info     *PictureInfo  // of the one picture of the screen or of a region; nil when parts are shown
	parts    []PictureInfo // of the pictures of what has changed
	frame    uint64
	screen   desktop.Size // zero when the model does not know the whole screen by it
}

// whole shows the whole screen.
func (v view) whole(s Screen) (*shown, error) {
	p, ok := s.Picture(true)
	if !ok {
		return nil, errors.New("nothing of it has been received")
	}
	content, info, err := encodePicture(p, v.budget)
	if err != nil {
		return nil, err
	}
	return &shown{contents: []mcp.Content{content}, info: info, frame: p.Frame, screen: p.Size}, nil
}

// part shows a region of the screen, given in its pixels.
func (v view) part(s Screen, region desktop.Rect) (*shown, error) {
	p, err := s.Region(region, true)
	if err != nil {
		return nil, err
	}
	content, info, err := encodePicture(p, v.budget)
	if err != nil {
		return nil, err
	}
	return &shown{contents: []mcp.Content{content}, info: info, frame: p.Frame}, nil
}

func encodePicture(p desktop.Picture, b picture.Budget) (mcp.Content, *PictureInfo, error) {
	content, info, err := encoded(picture.Encode(p, b))
	if err != nil {
		return nil, nil, err
	}
	info.Frame = p.Frame
	return content, info, nil
}

func encoded(img picture.Image, err error) (mcp.Content, *PictureInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	info := &PictureInfo{Width: img.View.Size.Width, Height: img.View.Size.Height, Scaled: img.View.Scaled(), Lossy: img.Lossy}
	return mcp.NewImageContent(base64.StdEncoding.EncodeToString(img.Data), img.MIME), info, nil
}
