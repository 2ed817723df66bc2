//go:build !unix

package sqlite

import "os"

// inUse returns false, because this system offers no way to find out.
func inUse(*os.File) (bool, error) { return false, nil }

// abandoned treats every log as left by a crash. If it was not, it is moved once
// more than necessary.
func abandoned(path string) (bool, error) { return sizeOf(path+walSuffix) > walHeaderSize, nil }
