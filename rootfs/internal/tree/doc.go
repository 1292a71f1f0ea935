// Package tree merges archives and directories that nobody vouches for into one
// tree of files, and writes that as a tar stream of its own making.
//
//	t, err := tree.Merge(ctx, tree.Limits{}, base, layer)
//	...
//	err = t.WriteTar(ctx, packer)
//
// Nothing is extracted. Merge keeps names, modes and links in memory, where a
// symbolic link to /etc or a name with ".." can lead to no file of the host, and
// WriteTar copies the contents that are left from the sources to the stream. What
// reads the stream sees canonical headers with unique, local names whose parents
// are directories of the same stream, whatever the archive looked like.
//
// The sources are read twice, because what a later one replaces or removes is
// only known at its end. A source that changes in between is an error.
package tree
