// Package uplink sets up the guest's network card, whenever it comes. The card is
// plugged in by the host, also while the guest runs, and is another one after the
// guest was saved; what it is to be called and whom it talks to is known beforehand,
// so nothing is negotiated with the other side. What a saved guest was connected to is
// gone when it goes on elsewhere; its connections are ended then.
package uplink
