package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"time"

	"shotline/client"
)

// vendor stands in for ScreenshotCenter.
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

// Doubt comes first: it may wrap an APIError of a status that decides nothing.
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
