// Command callback receives callbacks and prints them. It takes only those that are
// signed with SHOTLINE_CALLBACK_SECRET and less than five minutes old.
package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("SHOTLINE_CALLBACK_SECRET"), "whsec_"))
	if err != nil || len(key) < 24 {
		log.Fatal("SHOTLINE_CALLBACK_SECRET: want whsec_…, as serve has it")
	}
	secret, _ := standardwebhooks.NewWebhookRaw(key)
	http.HandleFunc("POST /hooks/shots", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || secret.Verify(body, r.Header) != nil {
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		var event struct {
			Type string
			Data struct {
				ID       string
				ImageURL string `json:"image_url"`
			}
		}
		if err := json.Unmarshal(body, &event); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		fmt.Println(event.Type, event.Data.ID, event.Data.ImageURL) // can come twice: remember the webhook-id
		w.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8090"), nil))
}
