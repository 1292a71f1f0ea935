package run

// Started is a job that has been started.
type Started struct {
	Job   int             // its number
	PID   int             // of its shell, which leads a session of its own
	Ended <-chan struct{} // closed when the shell has ended
}
