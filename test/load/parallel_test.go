package load_test

import (
	"errors"
	"sync"
)

// inParallel hands each body to one of the workers, which are numbered from 0. A worker stops at its first error.
func inParallel(workers int, bodies [][]byte, do func(worker int, body []byte) error) error {
	feed := make(chan []byte, len(bodies))
	for _, body := range bodies {
		feed <- body
	}
	close(feed)
	failed := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for body := range feed {
				if failed[i] = do(i, body); failed[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}
