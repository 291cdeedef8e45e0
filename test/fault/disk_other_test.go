//go:build !linux

package fault_test

import (
	"errors"
	"testing"
)

// disk is possible on Linux only.
type disk interface{}

const powered = -1

var errDisk = errors.New("a disk whose power can be cut: only on Linux")

func (l *lab) plugIn(string, string) (disk, error) { return nil, errDisk }

func (l *lab) unplug(disk, string, string) error { return nil }

func (l *lab) plugInData(*testing.T) error { return errDisk }

func (l *lab) onPowered(*testing.T) *lab { return l }

func powerFaults() []*fault { return nil }
