//go:build !unix

package sqlite

import "os"

// inUse cannot be told here.
func inUse(*os.File) (bool, error) { return false, nil }

// abandoned takes every log for one that a crash left: then it is moved once more
// than it need be.
func abandoned(path string) (bool, error) { return sizeOf(path+walSuffix) > walHeaderSize, nil }
