package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

type createJob struct {
	Key  string `header:"Idempotency-Key" doc:"Of two requests with the same key the second changes nothing and gets the first one's job"`
	Body JobRequest

	RawBody []byte
}

// Resolve checks what the decoded body does not tell any more.
func (in *createJob) Resolve(huma.Context) []error {
	if err := checkExact(in.RawBody); err != nil {
		return []error{err}
	}
	return nil
}

type createdJob struct {
	Status   int
	Location string `header:"Location" doc:"Of the job"`
	Body     jobjson.Job
}

// OneJob names a job in a path.
type OneJob struct {
	ID string `path:"id" example:"b7k2m9q4x1-1"`
}

type getJob struct {
	OneJob
	WaitQuery
}

type jobAnswer struct {
	Status int
	Body   jobjson.Job
}

func (s *server) jobRoutes() {
	create := operation(http.MethodPost, "/v1/jobs", "createJob", "jobs", "Ask for a picture",
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	create.DefaultStatus = http.StatusAccepted
	create.BodyReadTimeout = s.step
	create.Description = "A job by itself is a batch of one row. With an Idempotency-Key, a repeated request gets the same job, with 200; another request with the key is refused with 409."
	s.alsoAnswers(&create, http.StatusOK, "The same request made this job before", jobType)
	huma.Register(s.api, create, s.createJob)

	list := operation(http.MethodGet, "/v1/jobs", "listJobs", "jobs", "Search jobs", http.StatusNotFound)
	list.Description = "A page may hold fewer jobs than there are, or none, and still name a next one: a search looks at a bounded number of rows at a time, and large ones fill a page."
	huma.Register(s.api, list, s.listJobs)

	huma.Register(s.api, operation(http.MethodGet, "/v1/jobs/{id}", "getJob", "jobs", "Where a job stands", http.StatusNotFound), s.getJob)

	retry := operation(http.MethodPost, "/v1/jobs/{id}/retry", "retryJob", "jobs", "Queue an ended job again",
		http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)
	retry.DefaultStatus = http.StatusAccepted
	retry.Description = "Of a job that timed out, or was canceled with a screenshot, the vendor is asked before: when its picture is there after all, the job is done, and the answer is 200. A canceled job whose screenshot is still processing waits for it again."
	s.alsoAnswers(&retry, http.StatusOK, "Done after all", jobType)
	huma.Register(s.api, retry, s.retryJob)

	cancel := operation(http.MethodPost, "/v1/jobs/{id}/cancel", "cancelJob", "jobs", "Cancel a job", http.StatusNotFound, http.StatusConflict)
	cancel.Description = "A job whose create is under way is canceled once that is settled: the answer is 202. Canceling twice is fine."
	s.alsoAnswers(&cancel, http.StatusAccepted, "Canceled as soon as its create is settled", jobType)
	huma.Register(s.api, cancel, s.cancelJob)
}

func (s *server) createJob(ctx context.Context, in *createJob) (*createdJob, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	spec, err := s.spec(order{in.Body.CallbackURL, in.Body.Timeout, in.Body.Priority}, "body")
	if err != nil {
		return nil, err
	}
	request, err := in.Body.request()
	if err != nil {
		return nil, err
	}
	if in.Key != "" {
		spec.Key = jobs.Key{Scope: callerOf(ctx), Name: in.Key}
		if spec.Key.Hash, err = in.Body.hash(); err != nil {
			return nil, s.failed(ctx, "hash the request", err)
		}
	}
	if err := s.Room(); err != nil {
		return nil, s.failed(ctx, "create a job", err)
	}
	status := http.StatusAccepted
	j, err := s.Store.AddJob(ctx, spec, request, s.Now())
	var taken *jobs.KeyTakenError
	switch {
	case errors.As(err, &taken) && taken.Same:
		status = http.StatusOK
		j, err = s.Store.Job(ctx, jobs.ID{Batch: taken.Batch, Row: 1})
	case taken != nil:
		return nil, errOtherRequest()
	}
	if err != nil {
		return nil, s.failed(ctx, "create a job", err)
	}
	return &createdJob{status, jobPath(j.ID), jobJSON(j)}, nil
}

func (s *server) getJob(ctx context.Context, in *getJob) (*jobAnswer, error) {
	wait, err := in.time()
	if err != nil {
		return nil, err
	}
	j, err := s.job(ctx, in.ID)
	if err == nil && wait > 0 && j.State.Open() {
		j, err = waited(ctx, s, wait, "job", in.ID, func(ctx context.Context) (jobs.Job, error) { return s.Work.AwaitJob(ctx, j.ID) })
	}
	if err != nil {
		return nil, err
	}
	if onlyReads(ctx) {
		j = shieldJob(j)
	}
	return &jobAnswer{http.StatusOK, jobJSON(j)}, nil
}

func (s *server) retryJob(ctx context.Context, in *OneJob) (*jobAnswer, error) {
	j, err := s.job(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case j.State == jobs.Duplicate:
		return nil, problem(http.StatusConflict, fmt.Sprintf("job %s shows the outcome of %s", j.ID, jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}))
	case !slices.Contains(jobs.Retriable, j.State):
		return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s", j.ID, j.State))
	}
	unhurried(ctx) // the vendor may be slow
	done, err := s.Work.RetryJob(ctx, j.ID)
	switch {
	case errors.Is(err, jobs.ErrUnchecked):
		return nil, problem(http.StatusBadGateway, fmt.Sprintf("the vendor could not be asked what became of job %s, and it was not retried", j.ID))
	case err != nil:
		return nil, s.failed(ctx, "retry job "+in.ID, err, "job", in.ID)
	}
	if j, err = s.job(ctx, in.ID); err != nil {
		return nil, err
	}
	switch {
	case done.Queued+done.Waiting > 0:
		return &jobAnswer{http.StatusAccepted, jobJSON(j)}, nil
	case done.Done > 0:
		return &jobAnswer{http.StatusOK, jobJSON(j)}, nil
	}
	return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s by now", j.ID, j.State))
}

func (s *server) cancelJob(ctx context.Context, in *OneJob) (*jobAnswer, error) {
	j, err := s.job(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	done, err := s.Work.CancelJob(ctx, j.ID)
	if errors.Is(err, jobs.ErrState) {
		return nil, problem(http.StatusConflict, fmt.Sprintf("batch %s is importing", j.ID.Batch))
	}
	if err != nil {
		return nil, s.failed(ctx, "cancel job "+in.ID, err, "job", in.ID)
	}
	if j, err = s.job(ctx, in.ID); err != nil {
		return nil, err
	}
	switch {
	case done.Canceling > 0:
		return &jobAnswer{http.StatusAccepted, jobJSON(j)}, nil
	case j.State == jobs.Canceled:
		return &jobAnswer{http.StatusOK, jobJSON(j)}, nil
	}
	return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s", j.ID, j.State))
}

// job reads the job that a path names.
func (s *server) job(ctx context.Context, id string) (jobs.Job, error) {
	parsed, err := jobs.ParseID(id)
	if err != nil {
		return jobs.Job{}, problem(http.StatusNotFound, "there is no such job: an id is BATCH-ROW")
	}
	j, err := s.seen(ctx).Job(ctx, parsed)
	if errors.Is(err, jobs.ErrNotFound) {
		return j, problem(http.StatusNotFound, "there is no job "+id)
	}
	if err != nil {
		return j, s.failed(ctx, "read job "+id, err, "job", id)
	}
	return j, nil
}

func jobPath(id jobs.ID) string { return "/v1/jobs/" + id.String() }

// jobJSON is the job with an address of ours for a picture that the vendor
// named none of.
func jobJSON(j jobs.Job) jobjson.Job {
	form := jobjson.FromJob(j)
	form.ImageURL = imageURL(j)
	return form
}

// imageURL is the vendor's, or else a path of ours.
func imageURL(j jobs.Job) string {
	if j.ImageURL == "" && j.State == jobs.Done && j.ScreenshotID != "" {
		return jobPath(j.ID) + "/image"
	}
	return j.ImageURL
}
