//go:build !unix

package artifact

import "os"

// dontBlock has no effect: these systems have no FIFOs.
const dontBlock = 0

// tryLock does nothing and returns false: it is unknown whether a process holds
// the lock.
func tryLock(*os.File) (bool, error) { return false, nil }

// lockManifest does nothing: these systems have no such operation.
func lockManifest(*os.File) error { return nil }

// syncFolder does nothing: these systems have no such operation.
func (f *Folder) syncFolder(string) error { return nil }
