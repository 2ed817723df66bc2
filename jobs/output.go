package jobs

import (
	"fmt"
	"slices"
	"strconv"
)

// maxShots limits the files of one job, whatever its parameter shots says.
const maxShots = 1000

// WantedFiles returns the files of a job that is done, in the state wanted: an
// image for each shot, and the outputs that the job's parameters or else those of
// its batch requested. If only is not empty, it returns only these outputs. A job
// without a screenshot has no files.
func WantedFiles(j Job, batch Params, only []Output) []File {
	if j.State != Done || j.ScreenshotID == "" {
		return nil
	}
	param := func(name string) any {
		if value, given := j.Params[name]; given {
			return value
		}
		return batch[name]
	}
	var files []File
	for _, output := range Outputs {
		if len(only) > 0 && !slices.Contains(only, output) {
			continue
		}
		shots := 1
		if output == OutputImage {
			shots = shotCount(param("shots"))
		} else if !requested(param(string(output))) {
			continue
		}
		for shot := range shots {
			files = append(files, File{
				Job: j.ID, Output: output, Shot: shot + 1, Attempt: j.Attempt, Screenshot: j.ScreenshotID, State: FileWanted,
			})
		}
	}
	return files
}

// requested reports whether the value of a parameter such as pdf requests the
// output.
func requested(value any) bool {
	switch fmt.Sprint(value) {
	case "<nil>", "", "0", "false":
		return false
	}
	return true
}

// shotCount returns the number of images for the value of the parameter shots.
func shotCount(value any) int {
	n, err := strconv.ParseFloat(fmt.Sprint(value), 64)
	if err != nil || !(n > 1) {
		return 1
	}
	return int(min(n, maxShots))
}
