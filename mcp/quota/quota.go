// Package quota bounds what each client may take of a server that many share.
//
//	book := quota.NewBook(quota.Limits{Desktops: 4, Calls: 20})
//	account := book.Of(identity.Name)
//	if err := account.Call(); err != nil {
//		return err // says which limit and when to try again
//	}
//
// A limit of zero is none. What is refused is refused at once: nothing waits
// here.
package quota

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits are those of one client.
type Limits struct {
	Desktops int     // at once
	Sessions int     // of the protocol, at once
	Requests int     // over HTTP that are being handled, streams among them
	Rate     float64 // of requests over HTTP a second, over some seconds
	Calls    float64 // of tools a second, over some seconds
	Traffic  int64   // bytes of requests and answers a minute
	Held     int64   // bytes of requests that are being handled
	Kept     int64   // bytes of answers that wait to be read, or to be fetched again
}

// burst is for how many seconds the calls of a client may be saved up.
const burst = 5

// Error is a refusal.
type Error struct {
	Of    string        // what is limited, in a word: calls, desktops, sessions, requests, rate, traffic, held or kept
	Limit string        // which limit it is, such as "4 desktops at once"
	Mend  string        // what the client can do about it
	Retry time.Duration // when it may work again; 0 when that depends on the client
}

// Error says which limit is reached and what to do.
func (e *Error) Error() string {
	s := "the limit of " + e.Limit + " is reached: " + e.Mend
	if e.Retry > 0 {
		s += fmt.Sprintf(" in %d seconds", e.Seconds())
	}
	return s
}

// Seconds returns Retry in whole seconds, rounded up.
func (e *Error) Seconds() int { return int(math.Ceil(e.Retry.Seconds())) }

// Book holds the accounts of all clients. It is safe for concurrent use.
type Book struct {
	limits Limits

	mu       sync.Mutex
	accounts map[string]*Account
}

// maxAtRest is how many accounts are kept before those of clients that have nothing
// and have done nothing lately are dropped.
const maxAtRest = 1024

// NewBook returns a Book of clients that all have the same limits.
func NewBook(l Limits) *Book {
	return &Book{limits: l, accounts: make(map[string]*Account)}
}

// Of returns the account of a client.
func (b *Book) Of(name string) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[name]
	if a != nil {
		return a
	}
	if len(b.accounts) >= maxAtRest {
		for n, other := range b.accounts {
			if other.atRest() {
				delete(b.accounts, n)
			}
		}
	}
	a = newAccount(b.limits)
	b.accounts[name] = a
	return a
}

// Account is what one client has taken. It is safe for concurrent use.
type Account struct {
	limits  Limits
	calls   *rate.Limiter // nil without a limit
	rate    *rate.Limiter // nil without a limit
	traffic *rate.Limiter // nil without a limit

	mu       sync.Mutex
	sessions int
	requests int
	held     int64
	kept     int64
}

func newAccount(l Limits) *Account {
	a := &Account{limits: l}
	if l.Calls > 0 {
		a.calls = rate.NewLimiter(rate.Limit(l.Calls), int(math.Ceil(burst*l.Calls)))
	}
	if l.Rate > 0 {
		a.rate = rate.NewLimiter(rate.Limit(l.Rate), int(math.Ceil(burst*l.Rate)))
	}
	if l.Traffic > 0 {
		a.traffic = rate.NewLimiter(rate.Limit(float64(l.Traffic)/60), int(min(l.Traffic, math.MaxInt32)))
	}
	return a
}

// atRest reports whether an account is as a new one would be.
func (a *Account) atRest() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions == 0 && a.requests == 0 && a.held == 0 && a.kept == 0 && full(a.calls) && full(a.rate) && full(a.traffic)
}

func full(l *rate.Limiter) bool { return l == nil || l.Tokens() >= float64(l.Burst()) }

// Call takes one call of a tool.
func (a *Account) Call() error {
	if a.calls == nil || a.calls.Allow() {
		return nil
	}
	return &Error{
		Of:    "calls",
		Limit: fmt.Sprintf("%g calls a second", a.limits.Calls),
		Mend:  "call again",
		Retry: missing(a.calls, 1),
	}
}

// missing returns how long it takes until l has n tokens.
func missing(l *rate.Limiter, n float64) time.Duration {
	return max(time.Millisecond, time.Duration((n-l.Tokens())/float64(l.Limit())*float64(time.Second)))
}

// Desktop reports whether a client that has n desktops may have another.
func (a *Account) Desktop(n int) error {
	if a.limits.Desktops > 0 && n >= a.limits.Desktops {
		return &Error{Of: "desktops", Limit: fmt.Sprintf("%d desktops at once", a.limits.Desktops), Mend: "close one with desktop_close, or call again when one has ended"}
	}
	return nil
}

// Session takes one session of the protocol, which free gives back; it may be
// called more than once.
func (a *Account) Session() (free func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits.Sessions > 0 && a.sessions >= a.limits.Sessions {
		return nil, &Error{Of: "sessions", Limit: fmt.Sprintf("%d sessions at once", a.limits.Sessions), Mend: "end one"}
	}
	a.sessions++
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sessions--
	}), nil
}

// heldRetry is when a client is told to come back whose requests of now are too
// many or too large altogether: some of them have been answered by then.
const heldRetry = time.Second

// Request takes one request as being handled, which free ends. A stream is one
// for as long as it is open.
func (a *Account) Request() (free func(), err error) {
	if a.rate != nil && !a.rate.Allow() {
		return nil, &Error{
			Of:    "rate",
			Limit: fmt.Sprintf("%g requests a second", a.limits.Rate),
			Mend:  "try again",
			Retry: missing(a.rate, 1),
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits.Requests > 0 && a.requests >= a.limits.Requests {
		return nil, &Error{
			Of:    "requests",
			Limit: fmt.Sprintf("%d requests and streams at once", a.limits.Requests),
			Mend:  "end one, or try again",
			Retry: heldRetry,
		}
	}
	a.requests++
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests--
	}), nil
}

// Hold takes n bytes of a request for as long as it is handled, which free ends.
// They count as traffic as well.
func (a *Account) Hold(n int64) (free func(), err error) {
	if a.traffic != nil && a.traffic.Tokens() < 0 {
		return nil, &Error{
			Of:    "traffic",
			Limit: fmt.Sprintf("%d bytes a minute", a.limits.Traffic),
			Mend:  "try again",
			Retry: missing(a.traffic, 0),
		}
	}
	a.mu.Lock()
	if a.full() {
		a.mu.Unlock()
		return nil, &Error{
			Of:    "kept",
			Limit: fmt.Sprintf("%d bytes of answers that wait to be read", a.limits.Kept),
			Mend:  "read them, or try again",
			Retry: heldRetry,
		}
	}
	if a.limits.Held > 0 && a.held+n > a.limits.Held {
		a.mu.Unlock()
		return nil, &Error{
			Of:    "held",
			Limit: fmt.Sprintf("%d bytes of requests at once", a.limits.Held),
			Mend:  "try again",
			Retry: heldRetry,
		}
	}
	a.held += n
	a.mu.Unlock()
	a.Sent(n)
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.held -= n
	}), nil
}

// Keep counts n bytes of answers as kept, or as kept no more when n is negative. An
// answer that is there may bring them above their limit; then the next request is
// refused.
func (a *Account) Keep(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept += int64(n)
}

// Full reports whether as many bytes of answers are kept as may be, or more.
func (a *Account) Full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full()
}

// full is Full for a caller who holds mu.
func (a *Account) full() bool { return a.limits.Kept > 0 && a.kept >= a.limits.Kept }

// Sent counts n bytes that have gone to or come from the client. It may bring
// the traffic above its limit, by what is on its way; then the next request is
// refused.
func (a *Account) Sent(n int64) {
	if a.traffic == nil {
		return
	}
	now := time.Now()
	for n > 0 { // a reservation of more than the burst has no effect
		part := min(n, int64(a.traffic.Burst()))
		a.traffic.ReserveN(now, int(part))
		n -= part
	}
}
