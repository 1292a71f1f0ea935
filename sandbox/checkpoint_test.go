package sandbox_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// says runs a command in the sandbox of a lease.
func says(t *testing.T, l *sandbox.Lease, command string) string {
	t.Helper()
	res, err := l.Do(t.Context(), desktop.Exec{Command: command}, desktop.Observe{})
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if len(res.Notices) > 0 {
		t.Errorf("%s tells %q", command, res.Notices)
	}
	return string(res.Stdout)
}

func TestRollbackGoesToACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := manager(t, t.TempDir(), nil)
		l := create(t, m, "alice")
		defer l.Release()
		id := l.Info().ID
		var made []sandbox.CheckpointInfo
		for _, note := range []string{"one", "two"} {
			says(t, l, "note "+note)
			c, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{Name: "after " + note, Note: note})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, c)
			if got := says(t, l, "note"); got != note {
				t.Errorf("after the checkpoint it remembers %q", got)
			}
		}
		list, err := m.Checkpoints("alice", id)
		if diff := cmp.Diff(made, list); err != nil || diff != "" {
			t.Errorf("Checkpoints: %v (-want +got):\n%s", err, diff)
		}
		says(t, l, "note three")
		for _, step := range []struct{ to, want string }{
			{"", "two"},
			{"after one", "one"},
			{made[1].ID, "two"},
			{made[0].ID, "one"},
		} {
			if _, err := m.Rollback(t.Context(), "alice", id, step.to, nil); err != nil {
				t.Fatal(err)
			}
			if got := says(t, l, "note"); got != step.want {
				t.Errorf("rolled back to %q it remembers %q, want %q", step.to, got, step.want)
			}
			says(t, l, "note else")
			synctest.Wait()
			if n := b.Running(); n != 1 {
				t.Errorf("%d machines run", n)
			}
		}
		if err := m.End(t.Context(), "alice", id); err != nil {
			t.Error(err)
		}
		if n := b.Running(); n != 0 {
			t.Errorf("%d machines outlive the sandbox", n)
		}
	})
}

func TestCheckpointsBelongToTheirSandbox(t *testing.T) {
	m, _ := manager(t, t.TempDir(), nil)
	l := create(t, m, "alice")
	defer l.Release()
	other := create(t, m, "alice")
	defer other.Release()
	id := l.Info().ID
	if _, err := m.Rollback(t.Context(), "alice", id, "", nil); !errors.Is(err, sandbox.ErrNoCheckpoint) {
		t.Errorf("Rollback without a checkpoint: %v, want ErrNoCheckpoint", err)
	}
	c, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Rollback(t.Context(), "alice", other.Info().ID, c.ID, nil); !errors.Is(err, sandbox.ErrNoCheckpoint) {
		t.Errorf("Rollback to the checkpoint of another sandbox: %v, want ErrNoCheckpoint", err)
	}
	for what, err := range map[string]error{
		"Checkpoint":     second(m.Checkpoint(t.Context(), "bob", id, sandbox.CheckpointOptions{})),
		"Checkpoints":    second(m.Checkpoints("bob", id)),
		"Rollback":       second(m.Rollback(t.Context(), "bob", id, c.ID, nil)),
		"DropCheckpoint": m.DropCheckpoint(t.Context(), "bob", id, c.ID),
		"Fork":           second(m.Fork(t.Context(), "bob", id, nil)),
	} {
		if !errors.Is(err, sandbox.ErrNoDesktop) {
			t.Errorf("%s by another owner: %v, want ErrNoDesktop", what, err)
		}
	}
	if err := m.DropCheckpoint(t.Context(), "alice", id, c.ID); err != nil {
		t.Error(err)
	}
	if err := m.DropCheckpoint(t.Context(), "alice", id, c.ID); !errors.Is(err, sandbox.ErrNoCheckpoint) {
		t.Errorf("DropCheckpoint again: %v, want ErrNoCheckpoint", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAutomaticCheckpointsMakeWay(t *testing.T) {
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Checkpoints = 2 })
	l := create(t, m, "alice")
	defer l.Release()
	id := l.Info().ID
	for i, automatic := range []bool{false, true, true, false} {
		if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{Name: strconv.Itoa(i), Automatic: automatic}); err != nil {
			t.Fatal(err)
		}
	}
	want := []sandbox.CheckpointInfo{{Name: "0"}, {Name: "3"}}
	list, err := m.Checkpoints("alice", id)
	if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(sandbox.CheckpointInfo{}, "ID", "Created", "Bytes")); err != nil || diff != "" {
		t.Errorf("Checkpoints: %v (-want +got):\n%s", err, diff)
	}
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); !errors.Is(err, sandbox.ErrTooManyCheckpoints) {
		t.Errorf("Checkpoint: %v, want ErrTooManyCheckpoints", err)
	}
}

// A checkpoint that cannot be made costs none of those that are there.
func TestFailedCheckpointChangesNothing(t *testing.T) {
	m, b := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Checkpoints = 1 })
	l := create(t, m, "alice")
	defer l.Release()
	id := l.Info().ID
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{Automatic: true}); err != nil {
		t.Fatal(err)
	}
	b.SaveErr = errors.New("the disk is on fire")
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); !errors.Is(err, sandbox.ErrSaveFailed) {
		t.Errorf("Checkpoint: %v, want ErrSaveFailed", err)
	}
	if list, err := m.Checkpoints("alice", id); err != nil || len(list) != 1 {
		t.Errorf("Checkpoints: %v, %v; want the one that was there", list, err)
	}
}

// The oldest automatic checkpoint of any desktop goes when there is no memory for
// another copy, but not the one that is gone back to.
func TestAutomaticCheckpointsMakeWayForCopies(t *testing.T) {
	m, _ := manager(t, t.TempDir(), nil)
	var ids []string
	for _, owner := range []string{"alice", "bob"} {
		l := create(t, m, owner)
		defer l.Release()
		ids = append(ids, l.Info().ID)
		for _, automatic := range []bool{true, false, true} {
			if _, err := m.Checkpoint(t.Context(), owner, l.Info().ID, sandbox.CheckpointOptions{Automatic: automatic}); err != nil {
				t.Fatal(err)
			}
		}
	}
	left := func(what, alice, bob string) {
		t.Helper()
		want := map[string]string{"alice": alice, "bob": bob}
		for i, owner := range []string{"alice", "bob"} {
			list, err := m.Checkpoints(owner, ids[i])
			var got []string
			for _, c := range list {
				got = append(got, c.ID)
			}
			if err != nil || strings.Join(got, " ") != want[owner] {
				t.Errorf("%s: of %s %q are left, %v; want %s", what, owner, got, err, want[owner])
			}
		}
	}
	if _, err := m.Create(t.Context(), "bob", sandboxtest.Config(), nil); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("Create: %v, want ErrCapacity", err)
	}
	left("a desktop that is one too many", "1 2 3", "1 2 3")

	free := []int{0, 1000}
	sandbox.SetFreeMiB(m, func() (int, error) {
		mib := free[0]
		free = free[min(1, len(free)-1):]
		return mib, nil
	})
	if _, err := m.Rollback(t.Context(), "bob", ids[1], "1", nil); err != nil {
		t.Error(err)
	}
	left("a rollback that takes some memory", "2 3", "1 2 3")

	sandbox.SetFreeMiB(m, func() (int, error) { return 0, nil })
	if _, err := m.Rollback(t.Context(), "bob", ids[1], "1", nil); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("Rollback without memory: %v, want ErrCapacity", err)
	}
	left("a rollback for which all of them would not be enough", "2 3", "1 2 3")
}

func TestForkIsAnotherSandbox(t *testing.T) {
	m, b := manager(t, t.TempDir(), nil)
	parent := create(t, m, "alice")
	defer parent.Release()
	says(t, parent, "note before")
	child, err := m.Fork(t.Context(), "alice", parent.Info().ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Release()
	if child.Info().ID == parent.Info().ID {
		t.Error("both have the same id")
	}
	says(t, child, "note child")
	says(t, parent, "note parent")
	if c, p := says(t, child, "note"), says(t, parent, "note"); c != "child" || p != "parent" {
		t.Errorf("they remember %q and %q", c, p)
	}
	if _, err := m.Fork(t.Context(), "alice", parent.Info().ID, nil); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("Fork without room: %v, want ErrCapacity", err)
	}
	if err := m.End(t.Context(), "alice", parent.Info().ID); err != nil {
		t.Error(err)
	}
	if got := says(t, child, "note"); got != "child" || b.Running() != 1 {
		t.Errorf("after the end of its parent it remembers %q, and %d machines run", got, b.Running())
	}
}

// A rollback that fails leaves the sandbox as it was.
func TestFailedRollbackChangesNothing(t *testing.T) {
	m, b := manager(t, t.TempDir(), nil)
	l := create(t, m, "alice")
	defer l.Release()
	id := l.Info().ID
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil {
		t.Fatal(err)
	}
	says(t, l, "note kept")
	b.StartErr = sandbox.ErrStartFailed
	if _, err := m.Rollback(t.Context(), "alice", id, "", nil); !errors.Is(err, sandbox.ErrStartFailed) {
		t.Errorf("Rollback: %v, want ErrStartFailed", err)
	}
	if got := says(t, l, "note"); got != "kept" {
		t.Errorf("it remembers %q", got)
	}
}

// What comes while a sandbox is rolled back is done in what it is rolled back to:
// the sandbox does not look as if it had ended.
func TestActionThatComesDuringARollbackIsDoneAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := manager(t, t.TempDir(), nil)
		l := create(t, m, "alice")
		defer l.Release()
		id := l.Info().ID
		says(t, l, "note saved")
		if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil {
			t.Fatal(err)
		}
		says(t, l, "note later")
		type answer struct {
			res *desktop.Result
			err error
		}
		answers := make(chan answer, 1)
		_, err := m.Rollback(t.Context(), "alice", id, "", func(step string) {
			if step != warm {
				return
			}
			go func() {
				res, err := l.Do(t.Context(), desktop.Exec{Command: "note"}, desktop.Observe{})
				answers <- answer{res, err}
			}()
			synctest.Wait()
			if len(answers) > 0 {
				t.Error("the action did not wait for the rollback")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		got := <-answers
		if got.err != nil {
			t.Fatal(got.err)
		}
		if said := string(got.res.Stdout); said != "saved" || b.Running() != 1 {
			t.Errorf("the action was answered with %q, and %d machines run", said, b.Running())
		}
	})
}

func TestLeaseOfWhatHasEndedSaysWhy(t *testing.T) {
	m, _ := manager(t, t.TempDir(), nil)
	l := create(t, m, "alice")
	defer l.Release()
	if err := m.End(t.Context(), "alice", l.Info().ID); err != nil {
		t.Fatal(err)
	}
	_, err := l.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{})
	if !errors.Is(err, sandbox.ErrNoDesktop) || !strings.Contains(err.Error(), "it was closed") {
		t.Errorf("Do: %v, want ErrNoDesktop and why", err)
	}
}
