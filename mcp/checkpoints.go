package mcp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Bounds on what a client says of a checkpoint, in bytes.
const (
	maxCheckpointName = 64
	maxCheckpointNote = 500
)

// CheckpointOutcome is the structured content of desktop_checkpoint, and one entry
// of a desktop in desktop_list.
type CheckpointOutcome struct {
	DesktopID    string `json:"desktop_id" jsonschema:"the desktop that was saved"`
	CheckpointID string `json:"checkpoint_id" jsonschema:"names it in desktop_rollback, as its name does"`
	Name         string `json:"name,omitempty"`
	Note         string `json:"note,omitempty"`
	Automatic    bool   `json:"automatic,omitempty" jsonschema:"made by the server, and the first to make way for others"`
	Created      string `json:"created" jsonschema:"RFC 3339"`
}

// DroppedOutcome is the structured content of desktop_drop_checkpoint.
type DroppedOutcome struct {
	DesktopID  string `json:"desktop_id"`
	Checkpoint string `json:"checkpoint" jsonschema:"as it was named in the call"`
}

// SuspendOutcome is the structured content of desktop_suspend.
type SuspendOutcome struct {
	DesktopID string `json:"desktop_id" jsonschema:"the desktop that is suspended"`
}

// checkpointTools are the tools that save desktops and go back.
func checkpointTools() []tool {
	saved := text("desktop_id", maxID, "an id that desktop_create or desktop_list gave", "The desktop. Without it: this conversation's own.")
	checkpoint := text("checkpoint", max(maxCheckpointName, maxID), "a checkpoint_id or a name that desktop_list tells", "Its checkpoint_id or its name.")
	last := checkpoint
	last.schema = map[string]any{
		"type": "string", "minLength": 1, "maxLength": max(maxCheckpointName, maxID), "description": "Its checkpoint_id or its name. Without it: the last one.",
	}
	return []tool{
		{
			name: "desktop_checkpoint",
			description: "Save a desktop as it is, with its programs and files, so that desktop_rollback can bring that back: do it before something that may go wrong. " +
				"It takes a moment; keys and buttons that are held down are released.",
			params: []param{
				text("name", maxCheckpointName, "a short name", "What to call it."),
				text("note", maxCheckpointNote, "a sentence", "What to remember of it."),
				desktopID,
			},
			example:  `{"name": "before the form"}`,
			hints:    hints{harmless: true, insideWorld: true},
			output:   CheckpointOutcome{},
			computer: true,
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.checkpoint(ctx, get[string](v, "desktop_id"), sandbox.CheckpointOptions{Name: get[string](v, "name"), Note: get[string](v, "note")})
			},
		},
		{
			name: "desktop_rollback",
			description: "Make a desktop what it was at a checkpoint: what happened on it since is undone, in programs and files as well. " +
				"The checkpoint stays, and so do later ones. Answers with the screen.",
			params:   []param{last, saved},
			example:  `{"checkpoint": "before the form"}`,
			hints:    hints{idempotent: true, insideWorld: true},
			output:   Outcome{},
			computer: true,
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.rollback(ctx, get[string](v, "desktop_id"), get[string](v, "checkpoint"))
			},
		},
		{
			name: "desktop_fork",
			description: "Start a second desktop that is as this one is now, with its programs and files, and return its desktop_id. " +
				"Both go on independently: try something in one and keep the other. Calls without desktop_id go on using this conversation's own.",
			params:   []param{saved},
			example:  `{}`,
			hints:    hints{harmless: true, insideWorld: true},
			output:   DesktopOutcome{},
			computer: true,
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.fork(ctx, get[string](v, "desktop_id"))
			},
		},
		{
			name:        "desktop_drop_checkpoint",
			description: "Forget a checkpoint, to make room for another. The desktop stays as it is.",
			params:      []param{checkpoint.needed(), saved},
			example:     `{"checkpoint": "before the form"}`,
			hints:       hints{insideWorld: true},
			output:      DroppedOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.dropCheckpoint(ctx, get[string](v, "desktop_id"), get[string](v, "checkpoint"))
			},
		},
		{
			name: "desktop_suspend",
			description: "Put a desktop away that will not be used for a while: it takes no memory, and nothing on it goes on. " +
				"It wakes as it was with the next call that uses it.",
			params:  []param{saved},
			example: `{}`,
			hints:   hints{harmless: true, idempotent: true, insideWorld: true},
			output:  SuspendOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.suspend(ctx, get[string](v, "desktop_id"))
			},
		},
	}
}

func (c *call) checkpoint(ctx context.Context, id string, opts sandbox.CheckpointOptions) *mcp.CallToolResult {
	if _, err := strconv.ParseUint(opts.Name, 10, 64); err == nil {
		return c.rejected(ctx, id, c.refuse(errors.New("name is a number, which could be the checkpoint_id of another one: send words")))
	}
	return c.takeTurn(ctx, id, true, func() *mcp.CallToolResult {
		d, err := c.conv.use(ctx, id, c.progress)
		if err != nil {
			return c.failed(err)
		}
		defer d.Release()
		id := d.Info().ID
		c.progress.doing("saving the desktop")
		info, err := c.conv.desktops.Checkpoint(ctx, c.conv.owner, id, opts)
		if err != nil {
			return c.unsaved(err)
		}
		o := describeCheckpoint(id, info)
		return result(o, fmt.Sprintf("Desktop %s is saved as %s. desktop_rollback brings it back to this.", id, o.title()))
	})
}

// saveBefore makes an automatic checkpoint, and has the next answer tell of it.
// That there is none keeps nobody from going on.
func (c *call) saveBefore(ctx context.Context, id string) {
	info, err := c.conv.desktops.Checkpoint(ctx, c.conv.owner, id, sandbox.CheckpointOptions{Automatic: true, Note: "before " + c.what})
	switch {
	case err == nil:
		c.conv.keepNotices(id, []string{fmt.Sprintf("The desktop as it was before this is checkpoint %s: desktop_rollback goes back to it.", info.ID)})
	case errors.Is(err, sandbox.ErrUnsupported):
		c.conv.log.Debug("no checkpoint before several actions", "err", err)
	default:
		c.conv.keepNotices(id, []string{fmt.Sprintf("No checkpoint was made before this: %v.", err)})
	}
}

func (c *call) rollback(ctx context.Context, id, name string) *mcp.CallToolResult {
	return c.takeTurn(ctx, id, true, func() *mcp.CallToolResult {
		d, err := c.conv.useRunning(ctx, id, c.progress)
		if err != nil {
			return c.failed(err)
		}
		defer d.Release()
		id := d.Info().ID
		c.progress.doing("going back")
		info, err := c.conv.desktops.Rollback(ctx, c.conv.owner, id, name, nil)
		if err != nil {
			return c.unsaved(err)
		}
		said := "Rolled back to " + describeCheckpoint(id, info).title() + "; what happened since is undone."
		answer := c.carryOut(ctx, d, deed{asked: desktop.Screenshot{}, onScreen: desktop.Screenshot{}, observe: ObserveSettled, show: true})
		if answer.IsError {
			return result(Outcome{DesktopID: id}, said+" The screen could not be looked at: take a screenshot before going on.")
		}
		answer.Content[0] = mcp.NewTextContent(said + "\n" + answer.Content[0].(mcp.TextContent).Text)
		return answer
	})
}

func (c *call) fork(ctx context.Context, id string) *mcp.CallToolResult {
	return c.takeTurn(ctx, id, true, func() *mcp.CallToolResult {
		d, err := c.conv.useRunning(ctx, id, c.progress)
		if err != nil {
			return c.failed(err)
		}
		defer d.Release()
		id := d.Info().ID
		c.progress.doing("forking the desktop")
		info, err := c.conv.fork(ctx, id)
		if err != nil {
			return c.unsaved(err)
		}
		o := describeDesktop(info, false)
		return result(o, fmt.Sprintf("Desktop %s is ready: as %s was just now, and independent of it. Send its desktop_id to use it: calls without one do not.", o.DesktopID, id))
	})
}

func (c *call) dropCheckpoint(ctx context.Context, id, name string) *mcp.CallToolResult {
	return c.takeTurn(ctx, id, false, func() *mcp.CallToolResult {
		d, err := c.conv.useRunning(ctx, id, c.progress)
		if err != nil {
			return c.failed(err)
		}
		defer d.Release()
		id := d.Info().ID
		if err := c.conv.desktops.DropCheckpoint(ctx, c.conv.owner, id, name); err != nil {
			return c.unsaved(err)
		}
		return result(DroppedOutcome{id, name}, fmt.Sprintf("Checkpoint %s of desktop %s is gone.", quote(name), id))
	})
}

func (c *call) suspend(ctx context.Context, id string) *mcp.CallToolResult {
	return c.takeTurn(ctx, id, false, func() *mcp.CallToolResult {
		if id == "" {
			// To use it would wake it.
			if id = c.conv.ownID(); id == "" {
				return c.failed(errNoOwn)
			}
		}
		c.progress.doing("suspending the desktop")
		if err := c.conv.desktops.Suspend(ctx, c.conv.owner, id); err != nil {
			return c.unsaved(err)
		}
		return result(SuspendOutcome{id}, fmt.Sprintf("Desktop %s is suspended. It wakes with the next call that uses it.", id))
	})
}

// unsaved answers a call that could not save a desktop, or not use what was saved.
func (c *call) unsaved(err error) *mcp.CallToolResult {
	next := ""
	switch {
	case errors.Is(err, sandbox.ErrUnsupported):
		next = "Desktops here cannot be saved: go on without it."
	case errors.Is(err, sandbox.ErrTooManyCheckpoints):
		next = "desktop_list shows them, and desktop_drop_checkpoint drops one."
	case errors.Is(err, sandbox.ErrNoCheckpoint):
		next = "desktop_list shows which there are, and desktop_checkpoint makes one."
	case errors.Is(err, sandbox.ErrInUse):
		next = "Actions and commands that are under way go on: call again once they have been answered. A command that takes long can be run in the background, where it is saved as it is."
	case errors.Is(err, sandbox.ErrNoShelf):
		next = "The desktop runs on. desktop_close ends a desktop that is not needed any more (desktop_list shows them)."
	case errors.Is(err, sandbox.ErrDiskFull):
		next = "The desktop runs on as it was. The person who runs this server can make room; until then go on without it."
	case errors.Is(err, sandbox.ErrCapacity):
		next = "Drop a checkpoint with desktop_drop_checkpoint or end a desktop with desktop_close (desktop_list shows them), or try again later."
	default:
		return c.failed(err)
	}
	return refusal(fmt.Sprintf("%s was not done: %s. %s", c.what, plainText(err.Error(), maxErrorText), next))
}

func describeCheckpoint(desktopID string, info sandbox.CheckpointInfo) CheckpointOutcome {
	return CheckpointOutcome{
		DesktopID:    desktopID,
		CheckpointID: info.ID,
		Name:         desktop.PlainLine(info.Name, maxCheckpointName),
		Note:         desktop.PlainLine(info.Note, maxCheckpointNote),
		Automatic:    info.Automatic,
		Created:      info.Created.UTC().Format(time.RFC3339),
	}
}

// title names a checkpoint in a sentence.
func (o CheckpointOutcome) title() string {
	if o.Name == "" {
		return "checkpoint " + o.CheckpointID
	}
	return fmt.Sprintf("checkpoint %s, %s", o.CheckpointID, quote(o.Name))
}

func (o CheckpointOutcome) sentence() string {
	s := o.title()
	if o.Automatic {
		s += ", automatic"
	}
	s += ", of " + o.Created
	if o.Note != "" {
		s += ": " + o.Note
	}
	return s
}
