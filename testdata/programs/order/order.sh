# Orders a screenshot, waits for it, and saves it as shot.png. Repeats a request
# if serve restarts or is unavailable: the Idempotency-Key makes all of them one job.
api() {
  for pause in 0 1 2 3 4 5 6 7 8 9; do
    sleep $pause
    curl -fsS -m 60 --retry 3 -H "Authorization: Bearer $SHOTLINE_TOKEN" -H 'Content-Type: application/json' "$@" && return
    [ $? -eq 22 ] && return 22 # refused, or unavailable for too long
  done
}

(
  set -e
  job=$(api "$SHOTLINE_URL/v1/jobs" -H 'Idempotency-Key: order-17' -d '{"url":"https://example.com/"}')
  url=$SHOTLINE_URL/v1/jobs/$(printf %s "$job" | jq -r .id)
  while printf %s "$job" | jq -e '.state | IN("queued", "submitting", "pending")' >/dev/null; do
    job=$(api "$url?wait=30s")
  done
  printf %s "$job" | jq -r '"\(.state) \(.image_url // .error)"'
  api "$url/image" -o shot.png
)
