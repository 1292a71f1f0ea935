package desktop

import "fmt"

// ExecOutput answers what a job has written since it was asked last, and
// whether it still runs. When there is nothing new and it runs, ExecOutput waits
// WaitMS milliseconds at most for that to change. The answer that says that the
// job is over is the last one.
type ExecOutput struct {
	Job    int `json:"job" doc:"The number that exec or launch answered."`
	WaitMS int `json:"wait_ms,omitempty" doc:"How long to wait for something new, at most 300 s. Without it: not at all."`
}

// ExecStop kills a job, with all that it has started, and answers what it had
// written since it was asked last.
type ExecStop struct {
	Job int `json:"job" doc:"The number that exec or launch answered."`
}

// Name returns "exec_output".
func (ExecOutput) Name() string { return "exec_output" }

// Name returns "exec_stop".
func (ExecStop) Name() string { return "exec_stop" }

// Validate reports a job that cannot be one, or a wait that is not between 0 and
// [MaxDuration].
func (a ExecOutput) Validate() error {
	if err := validateJob(a.Job); err != nil {
		return err
	}
	return validateDuration(a.WaitMS, MaxDuration)
}

// Validate reports a job that cannot be one.
func (a ExecStop) Validate() error { return validateJob(a.Job) }

func validateJob(n int) error {
	if n < 1 {
		return fmt.Errorf("job %d does not exist: send the number that the answer to exec or launch gave", n)
	}
	return nil
}
