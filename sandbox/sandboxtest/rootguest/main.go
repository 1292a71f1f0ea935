// Command rootguest is all that there is in a root file system: it reads what else is
// there, writes to it, tells of both, and exits with 42.
package main

import (
	"fmt"
	"os"
)

func main() {
	for _, name := range []string{"/file", "/absolute", "/relative"} {
		if text, err := os.ReadFile(name); err == nil {
			fmt.Printf("%s has %s\n", name, text)
		}
	}
	for _, name := range []string{"/file", "/new"} {
		if err := os.WriteFile(name, []byte("from the guest"), 0o644); err != nil {
			fmt.Println(err)
		}
	}
	os.Exit(42)
}
