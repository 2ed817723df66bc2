package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"shotline/client"
)

// vendor starts a substitute for ScreenshotCenter.
func vendor(status int, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
}

func ExampleNew() {
	api := vendor(200, `{"success":true,"data":{"id":4711,"status":"processing","url":"https://example.com/"}}`)
	defer api.Close()

	c, err := client.New(
		client.WithAPIKey("your-key"),
		client.WithBaseURL(api.URL+"/api/v1"),
		client.WithTimeout(10*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	shot, err := c.Create(context.Background(), client.CreateRequest{
		URL:    "https://example.com",
		Params: map[string]any{"size": "page", "width": 1280},
		Tags:   []string{"spring-campaign"},
		Apps:   []client.App{{ID: "12"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shot.ID, shot.Status, shot.URL)
	// Output: 4711 processing https://example.com/
}

// Check for an InDoubtError first, because it can wrap an APIError.
func ExampleClient_Create_errors() {
	api := vendor(502, "Bad Gateway")
	defer api.Close()
	c, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Create(context.Background(), client.CreateRequest{URL: "https://example.com"})
	var (
		inDoubt *client.InDoubtError
		notSent *client.NotSentError
		limited *client.RateLimitError
		refused *client.APIError
	)
	switch {
	case errors.As(err, &inDoubt):
		fmt.Println("look it up by its tag:", err)
	case errors.As(err, &notSent):
		fmt.Println("send it again")
	case errors.As(err, &limited):
		fmt.Println("send it again after", limited.Delay)
	case errors.Is(err, client.ErrUnauthorized):
		fmt.Println("stop: the key is not valid")
	case errors.As(err, &refused):
		fmt.Println("the request is wrong:", refused.Message)
	}
	// Output: look it up by its tag: create screenshot: HTTP 502: Bad Gateway (in doubt: it may have taken effect)
}

func ExampleRetryPolicy() {
	api := vendor(200, `[{"id":1,"status":"finished"}]`)
	defer api.Close()
	c, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	policy := client.DefaultRetryPolicy(rand.Float64)
	for attempt := 1; ; attempt++ {
		shots, err := c.List(context.Background(), client.ListOptions{Tag: "spring-campaign"})
		if delay, again := policy.Next(err, attempt); again {
			time.Sleep(delay)
			continue
		}
		fmt.Println(len(shots), err)
		break
	}
	// Output: 1 <nil>
}

// The vendor processes a batch on its own. Querying its progress is free.
func ExampleClient_CreateBatch() {
	answers := []string{
		`{"success":true,"data":{"batch_id":31}}`,
		`{"success":true,"data":{"id":31,"status":"processing","count":2,"processed":1}}`,
		`{"success":true,"data":{"id":31,"status":"finished","count":2,"processed":2,"failed":1}}`,
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answers[0])
		answers = answers[1:]
	}))
	defer api.Close()
	c, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	batch, err := c.CreateBatch(ctx, client.BatchRequest{
		URLs:    []string{"https://example.com", "https://example.org"},
		Country: "us",
		Params:  map[string]any{"size": "page"},
	})
	for err == nil && !batch.Status.Ended() {
		time.Sleep(10 * time.Millisecond) // use seconds with the real vendor
		batch, err = c.Batch(ctx, batch.ID)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(batch.ID, batch.Status, batch.Processed, "of", batch.Count, "done,", batch.Failed, "failed")
	// Output: 31 finished 2 of 2 done, 1 failed
}

func ExampleClient_Thumbnail() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/gif")
		fmt.Fprint(w, "GIF89a, ", r.FormValue("width"), " px wide")
	}))
	defer api.Close()
	c, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	image, err := c.Thumbnail(context.Background(), "4711", client.ThumbnailOptions{Format: "gif", Width: 320})
	if err != nil {
		log.Fatal(err)
	}
	defer image.Body.Close()
	_, err = io.Copy(os.Stdout, image.Body)
	fmt.Println("", image.ContentType, err)
	// Output: GIF89a, 320 px wide image/gif <nil>
}

// Deleting a screenshot that does not exist is not an error for most programs.
func ExampleClient_Delete() {
	api := vendor(404, `{"success":false,"error":"Screenshot not found"}`)
	defer api.Close()
	c, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	err = c.Delete(context.Background(), "4711", client.ScopeAll)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		log.Fatal(err)
	}
	fmt.Println("gone")
	// Output: gone
}
