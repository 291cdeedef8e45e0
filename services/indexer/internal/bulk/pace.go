package bulk

import (
	"net/http"
	"sync"
	"time"
)

// pace is how much goes into one request, and for how long its answer is waited for. A request that came too late or was
// refused as too much would be so again at the same size, so the next is half as large; every one that is answered lets the
// next be larger by an eighth. It grows more slowly than it shrinks: a time-out costs far more than a small request.
//
// A server that has too much to do is slow with small requests as well. What is given up it does all the same, and asking it
// again is more work: so after an answer that came too late the next is waited for twice as long, until answers are quick
// again. The zero value sets no bound and waits for no longer than it is told.
type pace struct {
	mu    sync.Mutex
	most  int // bytes of documents; 0: no bound
	slack int // how often the time is doubled
}

// maxSlack bounds how long an answer is waited for: four times as long as is set.
const maxSlack = 2

// patience is for how long the next answer is waited for, where usual is what is set.
func (p *pace) patience(usual time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return usual << p.slack
}

// tooLate doubles the time after a request that was waited for in vain. Requests that were under way together count once.
func (p *pace) tooLate(waited, usual time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slack < maxSlack && waited >= usual<<p.slack {
		p.slack++
	}
}

// cut returns the first of docs, at least one, as many as one request may hold.
func (p *pace) cut(docs []*document) []*document {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == 0 {
		return docs
	}
	size := 0
	for i, d := range docs {
		if size += len(d.lines); i > 0 && size > p.most {
			return docs[:i]
		}
	}
	return docs
}

// tooMuch halves the bound after a request of docs. Requests that were under way together count once.
func (p *pace) tooMuch(docs []*document) {
	half := max(sizeOf(docs)/2, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == 0 || half < p.most {
		p.most = half
	}
}

// took raises the bound after a request of docs that was answered after a time. Small ones say nothing about larger ones. An
// answer within a quarter of the time that it had would have come with half the time as well.
func (p *pace) took(docs []*document, after, usual time.Duration) {
	size := sizeOf(docs)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slack > 0 && after < (usual<<p.slack)/4 {
		p.slack--
	}
	if p.most > 0 && size > p.most/2 {
		p.most += p.most/8 + 1
	}
}

func sizeOf(docs []*document) int {
	size := 0
	for _, d := range docs {
		size += len(d.lines)
	}
	return size
}

// tooMuch reports whether a refusal of a whole request may be one of its size: 429 is also said when the documents under
// way take more memory than Elasticsearch allows, and 408 and 504 by a proxy that did not wait.
func tooMuch(status int) bool {
	switch status {
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return true
	}
	return false
}
