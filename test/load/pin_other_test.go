//go:build !linux

package load_test

import "errors"

// processors is possible on Linux only.
func processors() ([]int, error) { return nil, errors.New("binding to a processor: only on Linux") }

// pin is possible on Linux only.
func pin(int, ...int) error { return errors.New("binding to a processor: only on Linux") }
