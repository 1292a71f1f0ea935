package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Bounds on what a client says of a network.
const (
	maxDestinations = 128
	maxDestination  = 300 // bytes
	defaultLog      = 20  // entries
)

// NetworkOutcome is the structured content of network_allow.
type NetworkOutcome struct {
	DesktopID string `json:"desktop_id"`
	Network   string `json:"network" jsonschema:"what it may reach from now on"`
}

// NetworkLogOutcome is the structured content of network_log.
type NetworkLogOutcome struct {
	DesktopID string                `json:"desktop_id"`
	Entries   []NetworkEntryOutcome `json:"entries" jsonschema:"oldest first"`
}

// NetworkEntryOutcome is one connection, one question for a name, or one packet that was
// dropped.
type NetworkEntryOutcome struct {
	Time     string `json:"time" jsonschema:"when it began, RFC 3339"`
	Kind     string `json:"kind" jsonschema:"tcp, udp, dns (a question), http (a request on a connection), packet or publish (a connection from the host)"`
	Name     string `json:"name,omitempty"`
	Address  string `json:"address,omitempty"`
	Port     int    `json:"port,omitempty"`
	Verdict  string `json:"verdict" jsonschema:"allowed, blocked by the policy, or limited: too much at a time"`
	Rule     string `json:"rule,omitempty" jsonschema:"that allows it"`
	Reason   string `json:"reason,omitempty" jsonschema:"why it was blocked or ended"`
	Sent     int64  `json:"sent,omitempty" jsonschema:"bytes from the desktop"`
	Received int64  `json:"received,omitempty" jsonschema:"bytes to the desktop"`
}

// destinations is a list of what a desktop may reach.
func destinations(description string) param {
	return param{
		name: "destinations",
		schema: map[string]any{
			"type":        "array",
			"items":       map[string]any{"type": "string", "minLength": 1, "maxLength": maxDestination},
			"maxItems":    maxDestinations,
			"description": description,
		},
		send: fmt.Sprintf(`a list of at most %d destinations such as "example.com", "*.example.com:8443" or "203.0.113.7:22"; an empty one is nothing`, maxDestinations),
		decode: func(raw json.RawMessage) (any, error) {
			var items []json.RawMessage
			if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			if len(items) > maxDestinations {
				return nil, fmt.Errorf("has %d entries", len(items))
			}
			list := make([]string, len(items))
			for i, item := range items {
				var err error
				if list[i], err = decodeText(item, maxDestination); err != nil {
					return nil, fmt.Errorf("holds an entry that %w", err)
				}
			}
			return list, nil
		},
	}
}

// withNetwork returns the tools of a server whose desktops may have a network.
func withNetwork(tools []tool) []tool {
	for i, t := range tools {
		if t.name == "desktop_create" {
			tools[i].params = append(t.params, destinations("What the desktop may reach over the network, of what the owner of this server permits; nothing for an empty list. Without it: all of that."))
		}
	}
	saved := text("desktop_id", maxID, "an id that desktop_create or desktop_list gave", "The desktop. Without it: this conversation's own.")
	return append(tools,
		tool{
			name: "network_allow",
			description: "Say what a desktop may reach over the network from now on: these destinations and nothing else, within what the owner of this server permits. " +
				"Connections to anything else are cut. It holds for what is forked from the desktop as well, and desktop_rollback does not undo it. " +
				"Programs of execute are not bound by it: they have the network of the server.",
			params: []param{
				destinations(`Names, "*." and a name for all below it, addresses or ranges; web ports unless one is named, as in "example.com:22". Without it: all that the owner permits.`),
				desktopID,
			},
			example: `{"destinations": ["example.com", "*.example.com"]}`,
			hints:   hints{harmless: true, idempotent: true},
			output:  NetworkOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				return c.allow(ctx, get[string](v, "desktop_id"), v)
			},
		},
		tool{
			name:        "network_log",
			description: "List what a desktop has reached over the network, and what was blocked and why, oldest first.",
			params:      []param{integer("last", 1, sandbox.MaxNetworkLog, fmt.Sprintf("How many entries, the newest. Without it: %d.", defaultLog)), saved},
			example:     `{}`,
			hints:       look,
			output:      NetworkLogOutcome{},
			run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
				last := get[int](v, "last")
				if last == 0 {
					last = defaultLog
				}
				return c.networkLog(ctx, get[string](v, "desktop_id"), last)
			},
		})
}

// wanted returns the network that the arguments of a call ask for, nil when they say
// nothing of it.
func wanted(v values) (*sandbox.Network, error) {
	list, ok := v["destinations"].([]string)
	if !ok {
		return nil, nil
	}
	n, err := sandbox.ListedNetwork(list)
	return &n, err
}

// allow changes where a desktop may reach. One that is suspended stays so.
func (c *call) allow(ctx context.Context, id string, v values) *mcp.CallToolResult {
	return c.takeTurn(ctx, id, false, func() *mcp.CallToolResult {
		n, err := wanted(v)
		if err == nil && n == nil {
			var cfg sandbox.Config
			cfg, err = c.conv.images.Config(ctx)
			n = &cfg.Network
		}
		if err == nil {
			id, err = c.conv.named(ctx, id, c.progress)
		}
		if err == nil {
			err = c.conv.desktops.SetNetwork(ctx, c.conv.owner, id, *n)
		}
		if errors.Is(err, sandbox.ErrNoDesktop) {
			err = &goneError{c.conv.forget(id), err}
		}
		if err != nil {
			return c.failed(err)
		}
		out := NetworkOutcome{id, describeNetwork(*n)}
		return result(out, fmt.Sprintf("From now on desktop %s may reach %s.", id, out.Network))
	})
}

func (c *call) networkLog(ctx context.Context, id string, last int) *mcp.CallToolResult {
	rpc.ArrivalOf(ctx).Pass(nil)
	if id == "" {
		if id = c.conv.ownID(); id == "" && c.conv.reach == stateless {
			return c.failed(errNoSession)
		} else if id == "" {
			return c.failed(errNoOwn)
		}
	}
	all, err := c.conv.desktops.NetworkLog(c.conv.owner, id)
	if err != nil {
		return c.failed(err)
	}
	out := NetworkLogOutcome{DesktopID: id, Entries: []NetworkEntryOutcome{}}
	lines := []string{fmt.Sprintf("Desktop %s has reached nothing over the network, and tried nothing.", id)}
	if n := len(all); n > 0 {
		all = all[max(0, n-last):]
		lines = []string{fmt.Sprintf("The last %s of the network of desktop %s:", plural(len(all), "entry", "entries"), id)}
	}
	for _, e := range all {
		out.Entries = append(out.Entries, describeEntry(e))
		line := e.Time.UTC().Format(time.RFC3339) + " " + e.String()
		if e.Rule != "" {
			line += " (" + e.Rule + ")"
		}
		lines = append(lines, desktop.PlainLine(line, maxNotice))
	}
	return result(out, strings.Join(lines, "\n"))
}

func describeEntry(e sandbox.NetworkEntry) NetworkEntryOutcome {
	out := NetworkEntryOutcome{
		Time:     e.Time.UTC().Format(time.RFC3339),
		Kind:     string(e.Kind),
		Name:     desktop.PlainLine(e.Name, maxDestination),
		Port:     int(e.Addr.Port()),
		Verdict:  e.Verdict,
		Rule:     e.Rule,
		Reason:   desktop.PlainLine(e.Reason, maxNotice),
		Sent:     e.Sent,
		Received: e.Received,
	}
	if e.Addr.IsValid() {
		out.Address = e.Addr.Addr().String()
	}
	return out
}

// describeNetwork says what a desktop may reach.
func describeNetwork(n sandbox.Network) string {
	list := strings.Join(strings.Fields(n.Allow), ", ")
	switch {
	case !n.On():
		return "nothing: it has no network"
	case n.Mode == "open" && list == "":
		return "everything but this host, private networks and cloud metadata"
	case n.Mode == "open":
		return "everything but this host, private networks and cloud metadata, and of those " + desktop.PlainLine(list, maxErrorText)
	case list == "":
		return "nothing"
	}
	return desktop.PlainLine(list, maxErrorText) + " and nothing else"
}

var errOtherNetwork = errors.New("this idempotency_key is of a desktop that may reach other destinations: send another key, or change that desktop with network_allow")
