// Package dns is the name server of a sandbox, the only one that it can reach. It
// answers for the names that a policy allows, with addresses that may be reached,
// and remembers for which names it gave out which address: see [Pins].
//
// A question is never passed on as it came. The host's own resolver is asked for
// the addresses of the name, so no other data leaves or enters this way, and the
// host's hosts file, search order and private networks work as they do on it. All
// types of records but A and AAAA are answered as not being there; without HTTPS
// records, clients learn of no encrypted ClientHello either.
package dns
