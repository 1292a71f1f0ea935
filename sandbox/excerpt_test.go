package sandbox

import (
	"fmt"
	"testing"
)

func TestExcerpt(t *testing.T) {
	tests := []struct {
		room   int
		writes []string
		want   string
		more   bool
	}{
		{6, nil, "", false},
		{6, []string{"abc"}, "abc", false},
		{6, []string{"ab", "cd", "ef"}, "abcdef", false},
		{6, []string{"abcdefg"}, "abcefg", true},
		{6, []string{"abcdefg", "hi", "", "j"}, "abchij", true},
		{6, []string{"a", "bcdefghijklm", "n"}, "abclmn", true},
		{3, []string{"123456"}, "126", true},
		{1, []string{"12", "3"}, "1", true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.room, tt.writes), func(t *testing.T) {
			e := excerpt{room: tt.room}
			total := 0
			for _, w := range tt.writes {
				if n, err := e.Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("Write(%q) = %d, %v", w, n, err)
				}
				total += len(w)
			}
			if got := string(e.kept()); got != tt.want || e.more() != tt.more || e.total != int64(total) {
				t.Errorf("kept %q of %d bytes, more %t; want %q of %d, %t", got, e.total, e.more(), tt.want, total, tt.more)
			}
		})
	}
}
