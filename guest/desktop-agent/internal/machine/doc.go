// Package machine makes a running Linux system of a bare root file system: the
// mounts, the name, the network's loopback, the ordinary user that the desktop
// belongs to, and the groups of processes. It is what an init system does
// before it starts programs, and no more than a desktop needs of it.
package machine
