// Package files reads, writes and lists the files of the desktop's user: what
// the actions read_file, write_file and list_files do.
//
// The agent is that user, so the kernel decides what may be read and written,
// and what is written belongs to the right owner by itself. The package sees to
// the rest: nothing but a regular file is ever opened for its content, so that no
// pipe or device can block or be disturbed; no more is held in memory than was
// asked for; and a file that is replaced is the old one or the new one at every
// moment, after a crash too.
package files
