package stream

// batchRoom is memory in which the messages of one batch lie unpacked, one after another.
type batchRoom struct {
	bytes []byte
	users int // messages without a verdict; the inbox's mu guards it
}

// unpackAll makes the Data of a batch, which is of one inbox, what was published.
func unpackAll(batch []*Message) []*Message {
	size := 0
	for _, m := range batch {
		size += packedSize(m.Header, m.Data)
	}
	var r *batchRoom
	if size > 0 {
		r = &batchRoom{bytes: batch[0].inbox.shelf.Take(size)}
	}
	for _, m := range batch {
		if n := packedSize(m.Header, m.Data); n > 0 {
			m.unpack(r)
		} else {
			m.Data = unpack(m.Header, m.Data, nil)
		}
	}
	return batch
}

// packedSize is how many bytes a message takes when it is unpacked; 0 for one that is not packed, or cannot be unpacked.
func packedSize(h Header, data []byte) int {
	if p := packingOf(h); p.here && p.known && p.plain > 0 && len(data) > 0 && holds(data, p.plain) {
		return p.plain
	}
	return 0
}

// unpack puts a packed message behind what is in r already. Should it be damaged, its Data stays.
func (m *Message) unpack(r *batchRoom) {
	packed, at := m.Data, len(r.bytes)
	m.Data = unpack(m.Header, packed, r.bytes[at:])
	if &m.Data[0] == &packed[0] {
		return
	}
	r.bytes = r.bytes[:at+len(m.Data)]
	m.Data = r.bytes[at:len(r.bytes):len(r.bytes)]
	m.room, m.at = r, at
	r.users++
}

// leave gives up a message's part of its room; what it returns is nobody's any more. The inbox's mu is held.
func (m *Message) leave() []byte {
	r := m.room
	if r == nil {
		return nil
	}
	m.room = nil
	if r.users--; r.users > 0 {
		return nil
	}
	return r.bytes
}

// Abandon leaves the memory that a message lies in to the garbage collector: somebody may read its Data after its verdict.
func (m *Message) Abandon() {
	if m.inbox == nil {
		return
	}
	m.inbox.mu.Lock()
	defer m.inbox.mu.Unlock()
	m.room = nil // and so its room always has a user
}

// Joined is the Data of a whole batch in one piece, where it lies so; else nil.
func Joined(batch []*Message) []byte {
	if len(batch) == 0 || batch[0].room == nil {
		return nil
	}
	r, start := batch[0].room, batch[0].at
	end := start
	for _, m := range batch {
		if m.room != r || m.at != end {
			return nil
		}
		end += len(m.Data)
	}
	return r.bytes[start:end:end]
}
