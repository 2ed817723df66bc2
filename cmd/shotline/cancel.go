package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"shotline/jobs"
	"shotline/orchestrator"
)

func cancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "cancel a job, or all jobs of a batch that have not ended",
		ArgsUsage: "BATCH|JOB",
		Flags:     storeFlags(jsonFlag),
		Action: func(c *cli.Context) error {
			arg, err := oneArgument(c, "a batch or job id")
			if err != nil {
				return err
			}
			return withStore(c, func(store jobs.Store) error { return cancel(c, store, arg) })
		},
	}
}

func cancel(c *cli.Context, store jobs.Store, arg string) error {
	var done jobs.CancelCounts
	id, err := jobs.ParseID(arg)
	isJob := err == nil
	if isJob {
		done, err = cancelJob(c, store, id)
	} else {
		done, err = orchestrator.CancelBatch(c.Context, store, arg, clock)
	}
	if errors.Is(err, jobs.ErrState) {
		whose := "it"
		if isJob {
			whose = "its batch"
		}
		return badUsage("cancel %s: %s is importing", subjectOf(arg, isJob), whose)
	}
	if err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		err = json.NewEncoder(c.App.Writer).Encode(struct {
			subject
			Canceled  int `json:"canceled"`
			Canceling int `json:"canceling"`
			Ended     int `json:"ended"`
		}{subjectOf(arg, isJob), done.Canceled, done.Canceling, done.Ended})
	} else {
		text := fmt.Sprintf("%d canceled", done.Canceled)
		if done.Canceling > 0 {
			text += fmt.Sprintf(", %d will be canceled when the result of their create is known", done.Canceling)
		}
		if done.Ended > 0 {
			text += fmt.Sprintf(", %d had ended before", done.Ended)
		}
		_, err = fmt.Fprintf(c.App.Writer, "%s: %s\n", subjectOf(arg, isJob), text)
	}
	if err != nil || done.Canceling == 0 {
		return err
	}
	batch := arg
	if isJob {
		batch = id.Batch
	}
	idle, err := hasNoWorker(c, store, batch)
	if idle {
		fmt.Fprintln(c.App.ErrWriter, "no serve is running on this database: the creates in progress are looked up and their jobs canceled "+
			"when `shotline serve` runs with the same --db")
	}
	return err
}

// cancelJob cancels one job. It returns an error if the job has already ended in
// another way. It is not an error to cancel a job twice.
func cancelJob(c *cli.Context, store jobs.Store, id jobs.ID) (done jobs.CancelCounts, err error) {
	j, err := store.Job(c.Context, id)
	if err != nil {
		return done, err
	}
	if !j.State.Open() && j.State != jobs.Canceled {
		return done, badUsage("cancel job %s: it is %s", id, j.State)
	}
	return orchestrator.Cancel(c.Context, store, []jobs.ID{id}, clock)
}

// subject is the batch or job that a command applies to. It is embedded in the
// JSON output.
type subject struct {
	BatchID string `json:"batch_id,omitempty"`
	JobID   string `json:"job_id,omitempty"`
}

func subjectOf(arg string, isJob bool) subject {
	if isJob {
		return subject{JobID: arg}
	}
	return subject{BatchID: arg}
}

func (s subject) String() string {
	if s.JobID != "" {
		return "job " + s.JobID
	}
	return "batch " + s.BatchID
}
