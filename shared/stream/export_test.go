package stream

// Queued is how many messages wait in an inbox for a worker.
func Queued(in *Inbox) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue)
}
