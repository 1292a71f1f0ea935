// Package supervise keeps programs running: it starts them, notices when they
// are ready, reaps them, and starts them again when they end.
//
// A [Reaper] is the only one to wait for children in its process, as process 1
// must be, because every orphan of the system becomes its child. A [Service] is
// a program that shall run; [Keep] keeps it running. Programs that need another
// one wait at its [Gate].
package supervise
