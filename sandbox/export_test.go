package sandbox

// SetFreeMiB has free say how much of the host's memory is free.
func SetFreeMiB(m *Manager, free func() (int, error)) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.room.available = free
}

// Looks is how often a warm sandbox is looked at before it is handed out.
const Looks = looks
