# Orders a screenshot, waits for it, and saves it as shot.png.
jobs=$SHOTLINE_URL/v1/jobs
id=$(curl -fsS $jobs -H 'Content-Type: application/json' -d '{"url":"https://example.com/"}' | jq -r .id)
curl -fsS "$jobs/$id?wait=1m" | jq -r .state
curl -fsS "$jobs/$id/image" -o shot.png
