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
	Key  string `header:"Idempotency-Key" doc:"If two requests have the same key, the second one changes nothing and returns the job of the first"`
	Body JobRequest

	RawBody []byte
}

// Resolve checks the raw body for faults that decoding hides, such as duplicate
// names.
func (in *createJob) Resolve(huma.Context) []error {
	if err := checkExact(in.RawBody); err != nil {
		return []error{err}
	}
	return nil
}

type createdJob struct {
	Status   int
	Location string `header:"Location" doc:"Path of the job"`
	Body     CreatedJob
}

// CreatedJob is the response to a request that creates a job.
type CreatedJob struct {
	jobjson.Job
	Notes []string `json:"notes,omitempty" nullable:"false" doc:"Names in the request that resemble a parameter"`
}

// JobPath is the path parameter of a job.
type JobPath struct {
	ID string `path:"id" example:"b7k2m9q4x1-1"`
}

type getJob struct {
	JobPath
	WaitQuery
}

type jobAnswer struct {
	Status int
	Body   jobjson.Job
}

func (s *server) jobRoutes() {
	create := operation(http.MethodPost, "/v1/jobs", "createJob", "jobs", "Create a job",
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInsufficientStorage)
	create.DefaultStatus = http.StatusAccepted
	create.BodyReadTimeout = s.step
	create.Description = "A job that is created alone is a batch of one row. With an Idempotency-Key, the same request again returns the same job, with 200. Another request with the same key is refused with 409."
	s.addResponse(&create, http.StatusOK, "An earlier, identical request created this job", createdJobType)
	huma.Register(s.api, create, s.createJob)

	list := operation(http.MethodGet, "/v1/jobs", "listJobs", "jobs", "Search jobs", http.StatusNotFound)
	list.Description = "A page might hold fewer jobs than the limit, or none, although there are more: the search examines a bounded number of rows for each page, and large jobs fill a page. Only a page without next is the last one."
	huma.Register(s.api, list, s.listJobs)

	huma.Register(s.api, operation(http.MethodGet, "/v1/jobs/{id}", "getJob", "jobs", "Get a job", http.StatusNotFound), s.getJob)

	timeline := operation(http.MethodGet, "/v1/jobs/{id}/timeline", "getTimeline", "jobs", "Get what happened to a job, where it stands, and what comes next", http.StatusNotFound)
	timeline.Description = "The entries are in the order of time; those without a time, whose time is not known, follow. The now entry says where the job stands. The next entries after it say what comes next, each with its time."
	huma.Register(s.api, timeline, s.getTimeline)
	retry := operation(http.MethodPost, "/v1/jobs/{id}/retry", "retryJob", "jobs", "Queue an ended job again",
		http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)
	retry.DefaultStatus = http.StatusAccepted
	retry.Description = "If the job timed out, or was canceled when it had a screenshot, Shotline queries the vendor first. If the image exists after all, the job is done, and the status is 200. If the screenshot of a canceled job is still processing, the job waits for it again."
	s.addResponse(&retry, http.StatusOK, "The image exists after all, and the job is done", jobType)
	huma.Register(s.api, retry, s.retryJob)

	cancel := operation(http.MethodPost, "/v1/jobs/{id}/cancel", "cancelJob", "jobs", "Cancel a job", http.StatusNotFound, http.StatusConflict)
	cancel.Description = "If the create of the job is in progress, the job is canceled when the create is settled, and the status is 202. Canceling a job twice is not an error."
	s.addResponse(&cancel, http.StatusAccepted, "The job will be canceled when its create is settled", jobType)
	huma.Register(s.api, cancel, s.cancelJob)
}

func (s *server) createJob(ctx context.Context, in *createJob) (*createdJob, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	spec, err := s.newSpec(commonOptions{in.Body.CallbackURL, in.Body.Timeout, in.Body.Priority}, "body")
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
	return &createdJob{status, jobPath(j.ID), CreatedJob{jobJSON(j), paramNotes("params", in.Body.Params)}}, nil
}

func (s *server) getJob(ctx context.Context, in *getJob) (*jobAnswer, error) {
	wait, err := in.time()
	if err != nil {
		return nil, err
	}
	j, err := s.job(ctx, in.ID)
	if err == nil && wait > 0 && j.State.Open() {
		j, err = waitFor(ctx, s, wait, "job", in.ID, func(ctx context.Context) (jobs.Job, error) { return s.Work.AwaitJob(ctx, j.ID) })
	}
	if err != nil {
		return nil, err
	}
	if readOnly(ctx) {
		j = shieldJob(j)
	}
	return &jobAnswer{http.StatusOK, jobJSON(j)}, nil
}

func (s *server) retryJob(ctx context.Context, in *JobPath) (*jobAnswer, error) {
	j, err := s.job(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case j.State == jobs.Duplicate:
		return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is a duplicate and shows the outcome of %s: retry that one", j.ID, jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}))
	case !slices.Contains(jobs.Retriable, j.State):
		return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s and cannot be retried", j.ID, j.State))
	}
	liftWriteDeadline(ctx) // the vendor might be slow
	done, err := s.Work.RetryJob(ctx, j.ID)
	switch {
	case errors.Is(err, jobs.ErrUnchecked):
		return nil, problem(http.StatusBadGateway, fmt.Sprintf("job %s was not retried because the vendor could not be queried about its screenshot: try again later", j.ID))
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
	return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s now and was not retried", j.ID, j.State))
}

func (s *server) cancelJob(ctx context.Context, in *JobPath) (*jobAnswer, error) {
	j, err := s.job(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	done, err := s.Work.CancelJob(ctx, j.ID)
	if errors.Is(err, jobs.ErrState) {
		return nil, problem(http.StatusConflict, fmt.Sprintf("batch %s is still importing", j.ID.Batch))
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
	return nil, problem(http.StatusConflict, fmt.Sprintf("job %s is %s and cannot be canceled", j.ID, j.State))
}

// job returns the job with this ID from a path.
func (s *server) job(ctx context.Context, id string) (jobs.Job, error) {
	parsed, err := parseJob(id)
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.visibleStore(ctx).Job(ctx, parsed)
	if errors.Is(err, jobs.ErrNotFound) {
		return j, problem(http.StatusNotFound, "there is no job "+id)
	}
	if err != nil {
		return j, s.failed(ctx, "read job "+id, err, "job", id)
	}
	return j, nil
}

// parseJob parses an ID from a path.
func parseJob(id string) (jobs.ID, error) {
	parsed, err := jobs.ParseID(id)
	if err != nil {
		return jobs.ID{}, problem(http.StatusNotFound, "there is no such job: a job ID is BATCH-ROW")
	}
	return parsed, nil
}

func jobPath(id jobs.ID) string { return "/v1/jobs/" + id.String() }

// jobJSON returns the JSON form of a job. If the vendor named no address for the
// image of a job that is done, it has the address of the image in this API.
func jobJSON(j jobs.Job) jobjson.Job {
	form := jobjson.FromJob(j)
	form.ImageURL = imageURL(j)
	return form
}

// imageURL returns the vendor's address of the image, or else its path in this
// API.
func imageURL(j jobs.Job) string {
	if j.ImageURL == "" && j.State == jobs.Done && j.ScreenshotID != "" {
		return jobPath(j.ID) + "/image"
	}
	return j.ImageURL
}
