package main

// examples are the examples in the help of each command. A line that begins with #
// explains the next one.
var examples = map[string]string{
	"submit": `
# Submit a file, and wait until every row has ended
shotline submit urls.csv --wait --timeout 2h
# Screenshots of whole pages, with a tag to find them by
shotline submit urls.csv --param size=page --tag autumn
# Put corrected rows of a results file back into their batch
shotline submit results.csv --into BATCH
`,
	"serve": `
# Receive webhooks at 127.0.0.1:8080, and serve the API at 127.0.0.1:8081
WEBHOOK_SECRET=… SCREENSHOTCENTER_API_KEY=… shotline serve --app-id 12
# Use the settings of a file, and save all images
shotline serve --config shotline.yaml --download images
`,
	"run": `
# Capture a list, and save the images
shotline run urls.csv --download images --name '{host}/{row}.{ext}'
# Capture one page without a webhook app
shotline run https://example.com/ --poll
# Continue a batch that an earlier run has left
shotline run --batch BATCH
`,
	"status": `
shotline status BATCH
# One job, as JSON
shotline status BATCH-17 --json
`,
	"wait": `
# Wait, and write the results if all rows are done
shotline wait BATCH --timeout 2h && shotline results BATCH --out results.csv
`,
	"list": `
# All batches of the last week
shotline list --since 168h --all
# Jobs of a batch that failed because of a refused connection
shotline list BATCH --state failed --error 'connection refused'
`,
	"summary": `
shotline summary BATCH
# A web page with all images
shotline summary BATCH --format html --pictures --out sheet.html
`,
	"results": `
shotline results BATCH --out results.csv
# Only rows that have no image, as a workbook
shotline results BATCH --state failed,timed_out --format xlsx --out rows.xlsx
`,
	"download": `
# Save all images in folders by host
shotline download BATCH --dir images --name '{host}/{row}.{ext}'
`,
	"explain": `
# Everything that happened to a job, and what comes next
shotline explain BATCH-17
`,
	"doctor": `
# Check all settings, and the way of webhooks from outside
shotline doctor --public-url https://a.example/webhooks/screenshotcenter
# Also make one real screenshot
shotline doctor --live
`,
	"inbox": `
# Webhooks that changed no job, newest first
shotline inbox list
# One of them with its body, and applied again
shotline inbox show 4711
shotline inbox replay 4711
`,
	"trigger": `
# Check the way from outside to serve, its secret included
shotline trigger completed --to https://a.example/webhooks/screenshotcenter
# The same with a body of your own
shotline trigger raw webhook.json
`,
	"compare": `
# What changed between two batches of the same list
shotline compare BATCH1 BATCH2
# From cron: submit again, and see which pages look different
shotline rerun --latest nightly --wait
shotline compare --latest nightly --pictures --format html --out changes.html
`,
	"rerun": `
# The same rows as a new batch
shotline rerun BATCH
# From cron: the newest batch with this tag
shotline rerun --latest nightly --wait
`,
	"retry": `
# Queue failed and timed-out jobs of a batch again
shotline retry BATCH
# Queue one job again
shotline retry BATCH-17
`,
	"cancel": `
shotline cancel BATCH
`,
	"pause": `
shotline pause BATCH
`,
	"resume": `
shotline resume BATCH
# Continue with a higher budget
shotline resume BATCH --budget 800
`,
	"reconcile": `
# Look up lost webhooks and creates in all batches
shotline reconcile
# The same for one batch, without waiting for a minute
shotline reconcile BATCH --older 0s
`,
	"init": `
# Write shotline.yaml with all settings of serve, and set some of them
shotline init --app-id 12 --db /var/lib/shotline/shotline.db
# Write the units of systemd for a service, and a virtual host of nginx
shotline init systemd --out /etc/systemd/system --app-id 12
shotline init nginx --public-url https://shots.example.com
`,
	"token": `
# A token for a program that only reads
shotline token dashboard --read-only
`,
	"callbacks": `
# See which callbacks failed for good, and send them again
shotline callbacks --state dead
shotline callbacks replay --dead
# Create a secret to sign callbacks with
shotline callbacks secret
`,
	"backup": `
# Copy the database while it is in use, over an older copy
shotline backup backup.db --force
`,
	"demo": `
shotline demo
# Use your own list
shotline demo urls.csv
`,
	"sandbox": `
# A sandbox that sends its webhooks to a serve on this machine
WEBHOOK_SECRET=s3cret shotline sandbox
# Lose a tenth of the webhooks
shotline sandbox --fault webhook-drop=0.1
`,
	"completion": `
# Load the completion now; for good, add this line to ~/.bashrc
source <(shotline completion bash)
`,
	"help": `
shotline help submit
`,
}
