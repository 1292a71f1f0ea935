package mcp

import (
	"crypto/rand"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// session is what the library keeps of the one client of a stdio transport.
type session struct {
	id            string
	notifications chan mcp.JSONRPCNotification
	initialized   atomic.Bool
}

var _ server.ClientSession = (*session)(nil)

// maxNotifications is how many notifications wait for the writer. The library
// drops more, which happens only to a client that does not read.
const maxNotifications = 256

func newSession() *session {
	return &session{
		id:            rand.Text(),
		notifications: make(chan mcp.JSONRPCNotification, maxNotifications),
	}
}

func (s *session) SessionID() string                                   { return s.id }
func (s *session) Initialize()                                         { s.initialized.Store(true) }
func (s *session) Initialized() bool                                   { return s.initialized.Load() }
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notifications }
