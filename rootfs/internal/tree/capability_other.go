//go:build !linux

package tree

import "os"

// capabilities returns nothing: only Linux has them.
func capabilities(*os.File) string { return "" }
