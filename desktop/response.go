package desktop

import (
	"errors"
	"fmt"
)

// Validate reports a response that contradicts itself: success with an error,
// a place or a rectangle off the screen, or parts whose lengths do not add up
// to PayloadLen. A frame that passes can be read from a payload of that length
// without another check of bounds.
func (r Response) Validate() error {
	if r.OK != (r.Error == nil) {
		return errors.New("response must have an error exactly when it is not ok")
	}
	if r.Error != nil {
		if err := r.Error.validate(); err != nil {
			return err
		}
	}
	if err := validatePointer(r.X, r.Y); err != nil {
		return err
	}
	if len(r.Steps) > MaxBatch {
		return fmt.Errorf("%d steps are more than %d", len(r.Steps), MaxBatch)
	}
	for i, s := range r.Steps {
		if err := s.validate(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if r.PayloadLen < 0 || r.PayloadLen > MaxPayload {
		return fmt.Errorf("payload_len %d is not between 0 and %d", r.PayloadLen, MaxPayload)
	}
	if r.Settle != nil {
		if err := r.Settle.validate(); err != nil {
			return err
		}
	}
	total := 0
	if r.Frame != nil {
		n, err := r.Frame.validate()
		if err != nil {
			return fmt.Errorf("frame %d: %w", r.Frame.Number, err)
		}
		total += n
	}
	if r.Exec != nil {
		n, err := r.Exec.validate()
		if err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		total += n
	}
	for i := range r.Windows[:min(len(r.Windows), MaxWindows+1)] {
		if i == MaxWindows {
			return fmt.Errorf("%d windows are more than %d", len(r.Windows), MaxWindows)
		}
		if err := r.Windows[i].validate(); err != nil {
			return err
		}
	}
	if r.File != nil {
		if err := r.File.validate(); err != nil {
			return err
		}
	}
	if r.Listing != nil {
		if err := r.Listing.validate(); err != nil {
			return fmt.Errorf("listing: %w", err)
		}
	}
	if r.DataLen < 0 || r.DataLen > MaxPayload {
		return fmt.Errorf("data_len %d is not between 0 and %d", r.DataLen, MaxPayload)
	}
	total += r.DataLen
	if total != r.PayloadLen {
		return fmt.Errorf("payload_len is %d, but the parts have %d bytes", r.PayloadLen, total)
	}
	return nil
}

func validatePointer(x, y *int) error {
	if (x == nil) != (y == nil) {
		return errors.New("response has one of x and y")
	}
	if x != nil && (*x < 0 || *x >= MaxScreen || *y < 0 || *y >= MaxScreen) {
		return fmt.Errorf("pointer (%d, %d) is on no screen", *x, *y)
	}
	return nil
}

func (e *Error) validate() error {
	switch e.Code {
	case CodeInvalid, CodeCancelled, CodeNotDelivered, CodeUnavailable, CodeUnknown, CodeInternal:
	default:
		return fmt.Errorf("error code %q does not exist", e.Code)
	}
	if e.Message == "" {
		return errors.New("error has no message")
	}
	return nil
}

func (s *Settled) validate() error {
	if s.Reason != SettleQuiet && s.Reason != SettleAsleep && s.Reason != SettleLimit {
		return fmt.Errorf("settle reason %q does not exist", s.Reason)
	}
	if s.ElapsedMS < 0 || s.QuietMS < 0 || s.LimitMS < 0 {
		return fmt.Errorf("settle took %d ms of %d, for %d of quiet", s.ElapsedMS, s.LimitMS, s.QuietMS)
	}
	if len(s.Rects) > MaxSettledRects {
		return fmt.Errorf("settle tells %d rectangles, more than %d", len(s.Rects), MaxSettledRects)
	}
	for _, r := range s.Rects {
		if r.X0 < 0 || r.Y0 < 0 || r.X0 >= r.X1 || r.Y0 >= r.Y1 || r.X1 > MaxScreen || r.Y1 > MaxScreen {
			return fmt.Errorf("settle tells the rectangle %v", r)
		}
	}
	return nil
}

// validate returns how many bytes of payload the frame has.
func (f *Frame) validate() (int, error) {
	if f.Number == 0 {
		return 0, errors.New("number is 0: frames count from 1")
	}
	if f.Base >= f.Number {
		return 0, fmt.Errorf("base %d does not come before it", f.Base)
	}
	if !f.Size.Valid() {
		return 0, fmt.Errorf("no screen has the size %v", f.Size)
	}
	total, area := 0, 0
	for i, p := range f.Rects {
		if !p.Rect.In(f.Size) {
			return 0, fmt.Errorf("rectangle %v is not on a screen of %v", p.Rect, f.Size)
		}
		if area += p.Rect.Width() * p.Rect.Height(); area > 2*f.Size.Width*f.Size.Height {
			return 0, errors.New("rectangles cover more than twice the screen")
		}
		if p.Len < 0 || p.Len > MaxPayload {
			return 0, fmt.Errorf("rectangle %d has %d bytes", i, p.Len)
		}
		switch p.Encoding {
		case Raw:
			if want := p.Rect.Width() * p.Rect.Height() * 4; p.Len != want {
				return 0, fmt.Errorf("raw rectangle %v has %d bytes instead of %d", p.Rect, p.Len, want)
			}
		case RLE:
		default:
			return 0, fmt.Errorf("encoding %q does not exist", p.Encoding)
		}
		if total += p.Len; total > MaxPayload {
			return 0, fmt.Errorf("rectangles have more than %d bytes", MaxPayload)
		}
	}
	if f.Cursor != nil {
		if err := f.Cursor.validate(f.Size); err != nil {
			return 0, fmt.Errorf("cursor: %w", err)
		}
		total += f.Cursor.Len
	}
	return total, nil
}

func (c *Cursor) validate(screen Size) error {
	if !screen.Contains(c.Pos) {
		return fmt.Errorf("position %v is not on a screen of %v", c.Pos, screen)
	}
	if c.Size.Width < 1 || c.Size.Width > MaxCursor || c.Size.Height < 1 || c.Size.Height > MaxCursor {
		return fmt.Errorf("size %v is not between 1x1 and %dx%d", c.Size, MaxCursor, MaxCursor)
	}
	// X11 lets a hot spot lie just outside the picture, to the right or below.
	if c.Hot.X < 0 || c.Hot.X > c.Size.Width || c.Hot.Y < 0 || c.Hot.Y > c.Size.Height {
		return fmt.Errorf("hot spot %v is not in a picture of %v", c.Hot, c.Size)
	}
	if want := c.Size.Width * c.Size.Height * 4; c.Len != 0 && c.Len != want {
		return fmt.Errorf("picture has %d bytes instead of %d", c.Len, want)
	}
	return nil
}

func (o *Output) validate() (int, error) {
	for _, n := range []struct {
		name  string
		kept  int
		total int64
	}{{"stdout", o.StdoutLen, o.StdoutTotal}, {"stderr", o.StderrLen, o.StderrTotal}} {
		if n.kept < 0 || n.kept > MaxOutput || int64(n.kept) > n.total {
			return 0, fmt.Errorf("%d bytes of %s kept of %d, of which %d may be", n.kept, n.name, n.total, MaxOutput)
		}
	}
	if o.Job < 0 || o.Running && (o.Job == 0 || o.TimedOut || o.ExitCode != 0) {
		return 0, fmt.Errorf("job %d contradicts itself", o.Job)
	}
	if o.ExitCode < -1 || o.ExitCode > 255 {
		return 0, fmt.Errorf("exit code %d does not exist", o.ExitCode)
	}
	return o.StdoutLen + o.StderrLen, nil
}
