// Command vmette-mcp is an MCP server that gives each conversation of an AI
// agent its own Linux desktop in a microVM.
//
// Without a command it serves MCP on standard input and output, which is how
// MCP clients start it. "vmette-mcp config" prints what to tell a client,
// "vmette-mcp doctor" what this host can do, "vmette-mcp demo" shows it at work.
//
// It exits with 0 when what was asked is done, with 1 when it failed, and with
// 2 when the command line is wrong. "vmette-mcp run" exits as its command does. SIGINT and SIGTERM end every sandbox first.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/vmette/vmette-mcp/mcp/picture"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const description = `A Linux desktop in a microVM for each conversation of an AI agent, over MCP.

Started without a command, vmette-mcp serves MCP on standard input and output.
Examples:

  vmette-mcp doctor                  what this host can do, and what to mend
  vmette-mcp config claude-desktop   what to put into the client's configuration
  vmette-mcp demo                    watch a real MCP client drive a real desktop`

// commandLine is all of it: the flags that every command takes, and the
// commands.
type commandLine struct {
	LogLevel slog.Level `help:"Log to standard error from this level on: debug, info, warn or error (default ${default})." default:"info" placeholder:"LEVEL" env:"VMETTE_LOG_LEVEL"`
	CacheDir string     `help:"Keep images here. (default: vmette in the user's cache directory)" placeholder:"DIR" type:"path" env:"VMETTE_CACHE_DIR"`
	CacheGiB int        `name:"cache-limit" help:"Remove what has not been used for longest when images and downloads take more GiB than this; 0, the default, keeps all images." default:"0" placeholder:"GIB" env:"VMETTE_CACHE_LIMIT"`
	Offline  bool       `help:"Fetch nothing over the network: use the images that are there, and files of this host." env:"VMETTE_OFFLINE"`
	StateDir string     `help:"Keep what running sandboxes need here. (default: vmette in the user's state directory)" placeholder:"DIR" type:"path" env:"VMETTE_STATE_DIR"`

	Serve    serveCmd    `cmd:"" default:"withargs" help:"Serve MCP on standard input and output, or over HTTP. This is the default."`
	Run      runCmd      `cmd:"" help:"Run one command in a fresh sandbox."`
	Demo     demoCmd     `cmd:"" help:"Drive a real desktop over MCP and report on it."`
	Rootfs   rootfsCmd   `cmd:"" help:"Build, list and remove images."`
	Template templateCmd `cmd:"" help:"Build, list and remove saved desktops, which new ones start from."`
	Doctor   doctorCmd   `cmd:"" help:"Tell what this host can do, and what mends the rest."`
	Bench    benchCmd    `cmd:"" help:"Measure boot, starts, screenshots, clicks and typing."`
	Config   configCmd   `cmd:"" help:"Configurations: of MCP clients, and of the server."`
	Token    tokenCmd    `cmd:"" help:"Make a token for a client of serve --http."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// app is what a command runs with.
type app struct {
	ctx      context.Context // done at SIGINT and SIGTERM, see untilSignal
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	log      *slog.Logger
	cacheDir string // "" is the default
	cacheGiB int    // 0 is no limit
	offline  bool
	stateDir string // "" is the default
	logLevel slog.Level
}

// errReported ends a command that has already said what failed.
var errReported = errors.New("reported")

func main() {
	ctx, release := untilSignal()
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	release()
	os.Exit(code)
}

// newParser returns the parser of a command line. helped is set when it has
// printed a help text instead of parsing.
func newParser(cli *commandLine, stdout, stderr io.Writer, helped *bool) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("vmette-mcp"),
		kong.Description(description),
		kong.Vars{
			"desktop":     rootfs.DefaultSpec,
			"minimal":     rootfs.MinimalSpec,
			"profiles":    profiles(),
			"checkpoints": strconv.Itoa(sandbox.DefaultCheckpoints),
			"suspended":   strconv.Itoa(sandbox.DefaultSuspended),
			"diskReserve": strconv.Itoa(sandbox.DefaultDiskReserveMiB),
			"imageEdge":   strconv.Itoa(picture.DefaultMaxEdge),
			"imagePixels": strconv.Itoa(picture.DefaultMaxPixels),
			"imageBytes":  strconv.Itoa(picture.DefaultMaxBase64),
		},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { *helped = true }),
		kong.DefaultEnvars("VMETTE"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
}

// run parses args and runs the command they name.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commandLine
	helped := false
	parser, err := newParser(&cli, stdout, stderr, &helped)
	if err != nil {
		fmt.Fprintf(stderr, "vmette-mcp: %v\n", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "vmette-mcp: %v; see vmette-mcp --help\n", err)
		return exitUsage
	}

	a := &app{
		ctx:      ctx,
		stdin:    stdin,
		stdout:   stdout,
		stderr:   stderr,
		log:      slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cli.LogLevel})),
		cacheDir: cli.CacheDir,
		cacheGiB: cli.CacheGiB,
		offline:  cli.Offline,
		stateDir: cli.StateDir,
		logLevel: cli.LogLevel,
	}
	var exit exitStatus
	switch err := command.Run(a); {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, errReported):
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "vmette-mcp: interrupted")
	default:
		fmt.Fprintf(stderr, "vmette-mcp: %v\n", err)
	}
	return exitFailed
}
