package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden parts of the scripts")

// asCommand makes the test binary behave as vmette-mcp itself, for tests that
// start it as a process.
const asCommand = "VMETTE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(command())
	}
	testscript.Main(m, map[string]func(){
		"vmette-mcp": func() { os.Exit(command()) },
	})
}

func command() int {
	ctx, release := untilSignal()
	defer release()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// TestScripts runs the command line as people do, without a guest.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("VMETTE_CACHE_DIR", env.WorkDir+"/cache")
			env.Setenv("VMETTE_STATE_DIR", env.WorkDir+"/state")
			return nil
		},
	})
}
