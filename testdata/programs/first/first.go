// Command first orders a screenshot, waits for it, and saves it as shot.png.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	jobs, job := os.Getenv("SHOTLINE_URL")+"/v1/jobs", struct{ ID, State string }{}
	json.Unmarshal(read(http.Post(jobs, "application/json", strings.NewReader(`{"url":"https://example.com/"}`))), &job)
	json.Unmarshal(read(http.Get(jobs+"/"+job.ID+"?wait=1m")), &job)
	fmt.Println(job.State)
	os.WriteFile("shot.png", read(http.Get(jobs+"/"+job.ID+"/image")), 0o644)
}

func read(answer *http.Response, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		log.Fatal(answer.Status, string(body), err)
	}
	return body
}
