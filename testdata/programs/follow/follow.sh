# Prints each job that ends done or failed, as it happens.
curl -fsSN "$SHOTLINE_URL/v1/events?type=job.done,job.failed" -H "Authorization: Bearer $SHOTLINE_TOKEN"
