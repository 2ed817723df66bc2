# Orders a screenshot, waits for it, and saves it as shot.png.
import json, os, urllib.request as web
jobs = os.environ["SHOTLINE_URL"] + "/v1/jobs"
order = web.Request(jobs, b'{"url":"https://example.com/"}', {"Content-Type": "application/json"})
id = json.load(web.urlopen(order))["id"]
print(json.load(web.urlopen(f"{jobs}/{id}?wait=1m"))["state"])
web.urlretrieve(f"{jobs}/{id}/image", "shot.png")
