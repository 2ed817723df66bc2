package client

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

func TestCreateQuery(t *testing.T) {
	type step struct {
		Action string `json:"action"`
		Value  string `json:"value,omitempty"`
	}
	type params = map[string]any
	for name, tc := range map[string]struct {
		request CreateRequest
		want    string // unescaped for readability
	}{
		"bare": {CreateRequest{URL: "https://a.test/?q=1&r"}, "url=https%3A%2F%2Fa.test%2F%3Fq%3D1%26r"},
		"scalars": {
			CreateRequest{URL: "u", Params: params{"pdf": true, "width": 1280, "zoom": 1.5, "size": "page", "big": int64(1) << 60, "n": json.Number("12.0")}},
			"big=1152921504606846976&n=12.0&pdf=true&size=page&url=u&width=1280&zoom=1.5",
		},
		"decoded numbers": {CreateRequest{URL: "u", Params: params{"delay": float64(1000000)}}, "delay=1000000&url=u"},
		"nil left out":    {CreateRequest{URL: "u", Params: params{"a": nil, "b": []any{nil}, "c": []string{}}}, "url=u"},
		"empty kept":      {CreateRequest{URL: "u", Params: params{"a": ""}}, "a=&url=u"},
		"list":            {CreateRequest{URL: "u", Params: params{"header": []any{"A: 1", 2, true}}}, "header=A%3A+1&header=2&header=true&url=u"},
		"object":          {CreateRequest{URL: "u", Params: params{"m": params{"z": 1, "a": "<&>"}}}, "m=%7B%22a%22%3A%22%3C%26%3E%22%2C%22z%22%3A1%7D&url=u"},
		"list of objects": {
			CreateRequest{URL: "u", Params: params{"steps": []step{{"click", "#a"}, {"wait", ""}}}},
			"steps=%5B%7B%22action%22%3A%22click%22%2C%22value%22%3A%22%23a%22%7D%2C%7B%22action%22%3A%22wait%22%7D%5D&url=u",
		},
		"unknown name":    {CreateRequest{URL: "u", Params: params{"x-next[0]": "y"}}, "url=u&x-next%5B0%5D=y"},
		"tags":            {CreateRequest{URL: "u", Tags: []string{"b", "a", "", "b"}}, "tag=b&tag=a&url=u"},
		"tag before tags": {CreateRequest{URL: "u", Tags: []string{"b"}, Params: params{"tag": "mine"}}, "tag=mine&tag=b&url=u"},
		"tags as a list":  {CreateRequest{URL: "u", Tags: []string{"b"}, Params: params{"tag": []string{"x", "y"}}}, "tag=x&tag=y&tag=b&url=u"},
		"apps":            {CreateRequest{URL: "u", Apps: []App{{ID: "34"}, {ID: "12"}, {ID: "34"}}}, "apps=34&apps=12&url=u"},
		"app template":    {CreateRequest{URL: "u", Apps: []App{{ID: "12", PathTemplate: "a/{id}.png"}}}, "apps=%7B%2212%22%3A%22a%2F%7Bid%7D.png%22%7D&url=u"},
		"mixed apps":      {CreateRequest{URL: "u", Apps: []App{{ID: "34"}, {ID: "12", PathTemplate: "p"}}}, "apps=%7B%2212%22%3A%22p%22%2C%2234%22%3A%22%22%7D&url=u"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 { // detect a dependency on map order
				q, err := tc.request.query()
				if err != nil {
					t.Fatal(err)
				}
				if got := q.Encode(); got != tc.want {
					t.Fatalf("got  %s\nwant %s", got, tc.want)
				}
			}
		})
	}
}

func TestCreateRefusesParams(t *testing.T) {
	type params = map[string]any
	c := newClient(t, "http://api.invalid") // no request is sent
	for want, request := range map[string]CreateRequest{
		"url":   {URL: " "},
		"key":   {URL: "u", Params: params{"key": "k"}},
		"KEY":   {URL: "u", Params: params{"KEY": "k"}},
		"apps":  {URL: "u", Params: params{"apps": 12}},
		"":      {URL: "u", Params: params{"": 1}},
		"tag":   {URL: "u", Params: params{"tag": params{"a": 1}}},
		"width": {URL: "u", Params: params{"width": math.NaN()}},
		"steps": {URL: "u", Params: params{"steps": func() {}}},
	} {
		_, err := c.Create(t.Context(), request)
		var param *ParamError
		if !errors.As(err, &param) || param.Name != want {
			t.Errorf("%q: got %v", want, err)
		}
	}
	for name, request := range map[string]CreateRequest{
		"url twice":   {URL: "u", Params: params{"url": "v"}},
		"empty app":   {URL: "u", Apps: []App{{}}},
		"app twice":   {URL: "u", Apps: []App{{ID: "1", PathTemplate: "a"}, {ID: "1", PathTemplate: "b"}}},
		"app, 2 ways": {URL: "u", Apps: []App{{ID: "1"}, {ID: "1", PathTemplate: "b"}}},
	} {
		if _, err := c.Create(t.Context(), request); !errors.As(err, new(*ParamError)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
