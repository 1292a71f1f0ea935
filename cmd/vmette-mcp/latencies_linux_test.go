package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// latencies are how long things of several kinds took. They are safe for
// concurrent use.
type latencies struct {
	mu   sync.Mutex
	took map[string][]time.Duration
}

func (l *latencies) add(kind string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.took == nil {
		l.took = make(map[string][]time.Duration)
	}
	l.took[kind] = append(l.took[kind], took)
}

// percentile returns what p percent of a kind took at most (nearest rank), 0 for
// none.
func (l *latencies) percentile(kind string, p float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := slices.Sorted(slices.Values(l.took[kind]))
	if len(s) == 0 {
		return 0
	}
	return s[max(0, int(math.Ceil(p/100*float64(len(s))))-1)]
}

// table prints them, by kind.
func (l *latencies) table() string {
	l.mu.Lock()
	kinds := slices.Sorted(maps.Keys(l.took))
	l.mu.Unlock()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "tool\tn\tp50\tp95\tp99\t")
	for _, k := range kinds {
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%v\t\n", k, len(l.took[k]),
			l.percentile(k, 50).Round(time.Millisecond), l.percentile(k, 95).Round(time.Millisecond), l.percentile(k, 99).Round(time.Millisecond))
	}
	w.Flush()
	return b.String()
}
