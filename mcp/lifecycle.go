package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/sandbox"
)

// DesktopOutcome is the structured content of desktop_create, and one entry of
// desktop_list.
type DesktopOutcome struct {
	DesktopID string `json:"desktop_id" jsonschema:"names the desktop in calls of other tools"`
	Width     int    `json:"width" jsonschema:"of the screen in pixels"`
	Height    int    `json:"height" jsonschema:"of the screen in pixels"`
	Isolation string `json:"isolation" jsonschema:"kvm or vz: a hardware-isolated microVM; emulated: a microVM whose processor is emulated, slower"`
	Image     string `json:"image" jsonschema:"what was booted"`
	Backend   string `json:"backend" jsonschema:"what runs it"`
	Created   string `json:"created" jsonschema:"RFC 3339"`
	State     string `json:"state" jsonschema:"running; or suspended: on the disk, and resumed by the next call that uses it"`
	Own       bool   `json:"own" jsonschema:"whether it is the one that calls without desktop_id use"`
	Network   string `json:"network,omitempty" jsonschema:"what it may reach; absent when it has no network"`

	Checkpoints []CheckpointOutcome `json:"checkpoints,omitempty" jsonschema:"oldest first"`
}

// ListOutcome is the structured content of desktop_list.
type ListOutcome struct {
	Desktops []DesktopOutcome `json:"desktops" jsonschema:"oldest first"`
}

// CloseOutcome is the structured content of desktop_close.
type CloseOutcome struct {
	DesktopID string `json:"desktop_id,omitempty" jsonschema:"of the desktop that is gone; absent when it had not started yet"`
}

// lifecycleTools are the tools that make, list and end desktops.
func lifecycleTools() []tool {
	return []tool{
		{
			name: "desktop_create",
			description: "Start a new desktop, a Linux machine of its own, and return its desktop_id. It becomes the desktop of calls without desktop_id when there is none yet. " +
				"There is no need to call this first: any other tool starts a desktop when it needs one.",
			params: []param{text("idempotency_key", maxID, "any text of your own that is new for each desktop",
				"Names the desktop that is wanted: a second call with the same key answers with the same desktop.")},
			example: `{}`,
			hints:   hints{harmless: true, insideWorld: true},
			output:  DesktopOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.create(ctx, get[string](v, "idempotency_key"), v)
			},
		},
		{
			name:        "desktop_list",
			description: "List the desktops that are there, running or suspended, and their checkpoints, oldest first.",
			example:     `{}`,
			hints:       look,
			output:      ListOutcome{},
			run:         func(ctx context.Context, c *call, _ values) *mcp.CallToolResult { return c.list(ctx) },
		},
		{
			name:        "desktop_close",
			description: "End a desktop. Everything on it is lost.",
			params: []param{text("desktop_id", maxID, "an id that desktop_create or desktop_list gave",
				"The desktop to end. Without it: this conversation's own desktop.")},
			example: `{}`,
			hints:   hints{insideWorld: true},
			output:  CloseOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.close(ctx, get[string](v, "desktop_id"))
			},
		},
	}
}

func (c *call) create(ctx context.Context, key string, v values) *mcp.CallToolResult {
	var (
		b   *boot
		own bool
	)
	n, err := wanted(v)
	if err != nil {
		return c.failed(err)
	}
	rpc.ArrivalOf(ctx).Pass(func() { b, own, err = c.conv.create(ctx, key, n) })
	if err != nil {
		return c.failed(err)
	}
	info, err := b.wait(ctx, c.progress)
	if (ctx.Err() != nil || errors.As(err, new(*startingError))) && key == "" {
		c.conv.giveUp(b)
	}
	if err != nil {
		return c.failed(err)
	}
	d := describeDesktop(info, own)
	use := "Calls without desktop_id use it."
	switch {
	case c.conv.reach == stateless:
		use = "Send this desktop_id in every call."
	case !own:
		use = "Calls without desktop_id use this conversation's own desktop, not this one."
	}
	return result(d, fmt.Sprintf("Desktop %s is ready: %s. %s Take a screenshot to see it.", d.DesktopID, d.sentence(), use))
}

func (c *call) list(ctx context.Context) *mcp.CallToolResult {
	rpc.ArrivalOf(ctx).Pass(nil)
	out := ListOutcome{Desktops: []DesktopOutcome{}}
	lines := []string{"There is no desktop. One is started by the first call that needs it."}
	if c.conv.reach == stateless {
		lines = []string{"There is no desktop. desktop_create starts one."}
	}
	if list := c.conv.desktops.List(c.conv.owner); len(list) > 0 {
		lines = []string{plural(len(list), "desktop", "desktops") + ":"}
		own := c.conv.ownID()
		for _, info := range list {
			d := describeDesktop(info, info.ID == own)
			line := d.DesktopID + ": " + d.State + ", " + d.sentence() + ", since " + d.Created
			if d.Own {
				line += " (used by calls without desktop_id)"
			}
			lines = append(lines, line)
			// One that ended just now has none.
			checkpoints, _ := c.conv.desktops.Checkpoints(c.conv.owner, info.ID)
			for _, cp := range checkpoints {
				o := describeCheckpoint(info.ID, cp)
				d.Checkpoints, lines = append(d.Checkpoints, o), append(lines, "  "+o.sentence())
			}
			out.Desktops = append(out.Desktops, d)
		}
	}
	return result(out, strings.Join(lines, "\n"))
}

func (c *call) close(ctx context.Context, id string) *mcp.CallToolResult {
	rpc.ArrivalOf(ctx).Pass(nil)
	id, err := c.conv.end(ctx, id)
	if errors.Is(err, errBootClosed) {
		return result(CloseOutcome{}, "The desktop had not started yet; that was given up.")
	}
	if err != nil {
		return c.failed(err)
	}
	return result(CloseOutcome{id}, fmt.Sprintf("Desktop %s is gone, with everything on it.", id))
}

func describeDesktop(info sandbox.Info, own bool) DesktopOutcome {
	state := "running"
	if info.Suspended {
		state = "suspended"
	}
	d := DesktopOutcome{
		DesktopID: info.ID,
		Width:     info.Size.Width,
		Height:    info.Size.Height,
		Isolation: string(info.Isolation),
		Image:     info.Image,
		Backend:   info.Backend,
		Created:   info.Created.UTC().Format(time.RFC3339),
		State:     state,
		Own:       own,
	}
	if info.Network.On() {
		d.Network = describeNetwork(info.Network)
	}
	return d
}

func (d DesktopOutcome) sentence() string {
	s := fmt.Sprintf("%dx%d pixels, image %s, isolation %s", d.Width, d.Height, d.Image, d.Isolation)
	if d.Isolation == string(sandbox.IsolationEmulated) {
		s += " (an emulated processor: programs start slowly)"
	}
	if d.Network != "" {
		s += ", may reach " + d.Network
	}
	return s
}
