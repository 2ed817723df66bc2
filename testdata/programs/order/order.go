// Command order orders a screenshot, waits for it, and saves it as shot.png. It
// repeats a request if serve restarts or is unavailable: the Idempotency-Key makes
// all of them one job.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

var (
	client = http.Client{Timeout: time.Minute}
	open   = []string{"queued", "submitting", "pending"}
	retry  = []int{429, 502, 503, 504}
)

func main() {
	var job struct {
		ID, State, Error string
		ImageURL         string `json:"image_url"`
	}
	answer, err := api("POST", "/v1/jobs", `{"url":"https://example.com/"}`, "order-17")
	for err == nil {
		if err = json.Unmarshal(answer, &job); err != nil || !slices.Contains(open, job.State) {
			break
		}
		answer, err = api("GET", "/v1/jobs/"+job.ID+"?wait=30s", "", "")
	}
	if err == nil {
		fmt.Println(job.State, job.ImageURL+job.Error)
		answer, err = api("GET", "/v1/jobs/"+job.ID+"/image", "", "")
	}
	if err == nil {
		err = os.WriteFile("shot.png", answer, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func api(method, path, body, key string) (answer []byte, err error) {
	for pause := range 10 {
		time.Sleep(time.Duration(pause) * time.Second)
		var request *http.Request
		if request, err = http.NewRequest(method, os.Getenv("SHOTLINE_URL")+path, strings.NewReader(body)); err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("SHOTLINE_TOKEN"))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
		var response *http.Response
		if response, err = client.Do(request); err != nil {
			continue
		}
		answer, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			continue
		}
		if response.StatusCode == 200 || response.StatusCode == 202 {
			return answer, nil
		}
		err = fmt.Errorf("%s %s: %s", method, path, answer)
		if !slices.Contains(retry, response.StatusCode) {
			break
		}
	}
	return nil, err
}
