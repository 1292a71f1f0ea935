package sandbox

// Count returns how many sandboxes run, and how many are suspended.
func (m *Manager) Count() (running, suspended int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.live {
		if e.suspended == "" {
			running++
		} else {
			suspended++
		}
	}
	return running, suspended
}
