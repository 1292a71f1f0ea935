package desktop

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fuzzHeader checks for one type of header that whatever is accepted can be
// encoded and comes back the same.
func fuzzHeader[T any](f *testing.F, archive string) {
	for _, m := range archives[archive] {
		if _, ok := m.value.(T); !ok {
			continue
		}
		header, err := Marshal(m.value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v, again T
		if err := Unmarshal(data, &v); err != nil {
			return
		}
		header, err := Marshal(v)
		if err != nil {
			t.Fatalf("Marshal(%+v), which was accepted: %v", v, err)
		}
		if err := Unmarshal(header, &again); err != nil {
			t.Fatalf("Unmarshal(%s): %v", header, err)
		}
		if diff := cmp.Diff(v, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s came back changed: (-first +second)\n%s", reflect.TypeOf(v), diff)
		}
	})
}

func FuzzRequest(f *testing.F)  { fuzzHeader[Request](f, "requests") }
func FuzzResponse(f *testing.F) { fuzzHeader[Response](f, "responses") }
func FuzzHello(f *testing.F)    { fuzzHeader[Hello](f, "greetings") }
func FuzzWelcome(f *testing.F)  { fuzzHeader[Welcome](f, "greetings") }
func FuzzOrder(f *testing.F)    { fuzzHeader[Order](f, "workloads") }
func FuzzReport(f *testing.F)   { fuzzHeader[Report](f, "workloads") }
func FuzzBoot(f *testing.F)     { fuzzHeader[Boot](f, "greetings") }
