// Package repotest holds the rules of the house as code, and its tests apply
// them to this repository: who may import whom, how long a file may get, that
// nothing sleeps for a fixed time, that every package says what it is, that
// links in the documentation lead somewhere, and that what is meant for macOS
// type-checks there.
//
// Each rule is a function from files or packages to a list of complaints, so
// that the rules themselves are tested with planted violations.
package repotest
