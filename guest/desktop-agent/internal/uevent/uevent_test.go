package uevent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     Event
		wantErr  bool
	}{
		{
			name: "block device",
			in:   "add@/devices/pci0000:00/0000:00:03.0/virtio1/block/vda\x00ACTION=add\x00DEVPATH=/devices/x\x00SUBSYSTEM=block\x00MAJOR=254\x00MINOR=0\x00DEVNAME=vda\x00DEVTYPE=disk\x00SEQNUM=1113\x00",
			want: Event{Action: "add", Path: "/devices/pci0000:00/0000:00:03.0/virtio1/block/vda", Subsystem: "block", Device: "vda"},
		},
		{
			name: "driver found its device",
			in:   "bind@/devices/pci0000:00/0000:00:04.0/virtio2\x00ACTION=bind\x00SUBSYSTEM=virtio\x00",
			want: Event{Action: "bind", Path: "/devices/pci0000:00/0000:00:04.0/virtio2", Subsystem: "virtio"},
		},
		{name: "no fields", in: "remove@/devices/x\x00", want: Event{Action: "remove", Path: "/devices/x"}},
		{name: "udev's own", in: "libudev\x00\xfe\xed\xca\xfe", wantErr: true},
		{name: "empty", in: "", wantErr: true},
		{name: "no action", in: "@/devices/x\x00", wantErr: true},
		{name: "no end", in: "add@/devices/x", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse([]byte(tt.in))
			if (err != nil) != tt.wantErr {
				t.Fatalf("parse: error %v, want one: %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00SUBSYSTEM=block\x00DEVNAME=vda\x00"))
	f.Add([]byte("libudev\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parse(b); err == nil && e.Action == "" {
			t.Errorf("parse(%q) gave an event without an action", b)
		}
	})
}
