package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/vmette/vmette-mcp/mcp/mcpgo"
	"github.com/vmette/vmette-mcp/mcp/picture"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// Config says what a [Server] serves. Desktops and Images are needed.
type Config struct {
	Desktops Desktops
	Images   Images
	Version  string         // of the server, for its clients; "" means "devel"
	Profile  Profile        // the tools; "" means ProfileToolset
	Observe  Observation    // how calls that do not say so look at the screen; "" means settled
	Network  bool           // desktops may have a network, so there are tools for it
	Save     bool           // make an automatic checkpoint before each call that does several actions
	Budget   picture.Budget // of every picture; the zero value is its documented default
	Runner   Runner         // of the tool execute; without it or Programs there is none
	Programs Programs
	Logger   *slog.Logger // nil discards

	// OnOwn is told, over standard input and output, which desktop is the
	// conversation's own from now on. It may be nil, and must not block.
	OnOwn func(owner, id string)
}

// Server offers desktops as tools. It is safe for concurrent use.
type Server struct {
	cfg      Config
	settings settings
	log      *slog.Logger
	mcp      *server.MCPServer
	handle   rpc.Handler
	metrics  *metrics
}

// New returns a Server. It starts nothing.
func New(cfg Config) (*Server, error) {
	if cfg.Desktops == nil || cfg.Images == nil {
		return nil, errors.New("create mcp server: desktops and images are needed")
	}
	if err := errors.Join(cfg.Profile.Validate(), cfg.Observe.Validate()); err != nil {
		return nil, fmt.Errorf("create mcp server: %w", err)
	}
	if cfg.Version == "" {
		cfg.Version = "devel"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg,
		settings: settings{
			budget:  cfg.Budget,
			observe: cfg.Observe,
			halts:   cfg.Profile == "" || cfg.Profile == ProfileToolset,
			saves:   cfg.Save,
			grid:    cfg.Profile.grid(),
		},
		log:     cfg.Logger,
		metrics: newMetrics(cfg.Desktops),
		mcp: server.NewMCPServer("vmette-mcp", cfg.Version,
			server.WithInstructions(cfg.Profile.instructions()),
			server.WithTitle("Linux desktops in microVMs"),
			server.WithToolCapabilities(false),
		),
	}
	tools, err := cfg.Profile.tools()
	if err != nil {
		return nil, fmt.Errorf("create mcp server: %w", err)
	}
	tools = append(tools, executeTools(cfg.Runner, cfg.Programs)...)
	if cfg.Network {
		tools = withNetwork(tools)
	}
	defined, err := definitions(tools)
	if err != nil {
		return nil, fmt.Errorf("create mcp server: %w", err)
	}
	for i, t := range tools {
		s.mcp.AddTool(defined[i], s.handler(t))
	}
	s.handle = mcpgo.Handler(s.mcp)
	return s, nil
}

// peerConfig is how messages of a client are handled.
func (s *Server) peerConfig(h rpc.Handler) rpc.Config {
	return rpc.Config{Handler: h, Ordered: string(mcp.MethodToolsCall), First: string(mcp.MethodInitialize), Logger: s.log}
}

type conversationKey struct{}

// withConversation makes the calls handled under ctx part of a conversation.
func withConversation(ctx context.Context, c *Conversation) context.Context {
	return context.WithValue(ctx, conversationKey{}, c)
}

// handler returns what the library calls for each call of a tool. It never
// returns an error: what goes wrong is a result that a model can read.
func (s *Server) handler(t tool) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		defer rpc.ArrivalOf(ctx).Pass(nil)
		conv, ok := ctx.Value(conversationKey{}).(*Conversation)
		if !ok {
			return nil, errClosed
		}
		c := &call{
			what:     t.name,
			example:  t.name + " " + t.example,
			computer: t.computer,
			conv:     conv,
			settings: s.settings,
		}
		if err := conv.tenant.call(); err != nil {
			return c.failed(err), nil
		}
		budget, err := budgetFor(s.settings.budget, rpc.HeaderOf(ctx))
		if err != nil {
			return refusal(fmt.Sprintf("%s was not done: %v.", c.what, err)), nil
		}
		c.settings.budget = budget
		raw := arguments(req)
		v, err := t.decode(raw)
		if err != nil {
			answer := refusal(err.Error())
			if unsupported := new(unsupportedError); errors.As(err, &unsupported) {
				answer = unsupported.answer()
			}
			return c.rejected(ctx, named(raw), answer), nil
		}
		c.progress = newProgress(ctx, req)
		defer c.progress.end()
		begun := time.Now()
		res := t.run(ctx, c, v)
		s.metrics.call(t.name, res.IsError, time.Since(begun))
		s.log.Debug("tool call", "tool", t.name, "error", res.IsError, "took", time.Since(begun))
		return res, nil
	}
}

// arguments returns the arguments as they were sent.
func arguments(req mcp.CallToolRequest) json.RawMessage {
	if req.Params.RawArguments != nil || req.Params.Arguments == nil {
		return req.Params.RawArguments
	}
	raw, _ := json.Marshal(req.Params.Arguments) // it came from JSON
	return raw
}
