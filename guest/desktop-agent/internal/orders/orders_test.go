package orders

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestOrdersAreReadAsWritten(t *testing.T) {
	start := Start{Token: "s3cret", Port: 1024, Screen: desktop.Size{Width: 1280, Height: 800}, Restarts: 2, Display: ":0", Manager: true, Cgroup: "/sys/fs/cgroup/vmette"}
	var pipe strings.Builder
	out := json.NewEncoder(&pipe)
	sent := []Order{{Display: &Display{Server: 1}}, {Done: &Done{Error: "no clock"}}, {Done: &Done{}}}
	for _, v := range []any{start, sent[0], sent[1], sent[2]} {
		if err := out.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(strings.NewReader(pipe.String()))
	var got Start
	if err := r.Read(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(start, got); diff != "" {
		t.Error(diff)
	}
	for _, want := range sent {
		var got Order
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if err := r.Read(new(Order)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestErrorsTellNoToken(t *testing.T) {
	for _, line := range []string{`{"token":"s3cret","port":"s3cret"}`, `"s3cret"`, `s3cret`} {
		err := NewReader(strings.NewReader(line)).Read(new(Start))
		if err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestLinesAreBounded(t *testing.T) {
	err := NewReader(strings.NewReader(strings.Repeat("x", maxLine+1))).Read(new(Start))
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a line without end: %v", err)
	}
}
