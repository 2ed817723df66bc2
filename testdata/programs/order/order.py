# Orders a screenshot, waits for it, and saves it as shot.png. Repeats a request
# if serve restarts or is unavailable: the Idempotency-Key makes all of them one job.
import json, os, time
from http.client import HTTPException
from urllib.request import Request, urlopen

def api(path, body=None, headers={}):
    access = {"Authorization": "Bearer " + os.environ["SHOTLINE_TOKEN"], "Content-Type": "application/json"}
    for pause in range(10):
        time.sleep(pause)
        try:
            with urlopen(Request(os.environ["SHOTLINE_URL"] + path, body, access | headers), timeout=60) as answer:
                return answer.read()
        except (OSError, HTTPException) as error:
            if pause == 9 or getattr(error, "code", 503) not in (429, 502, 503, 504):
                raise

job = json.loads(api("/v1/jobs", b'{"url":"https://example.com/"}', {"Idempotency-Key": "order-17"}))
while job["state"] in ("queued", "submitting", "pending"):
    job = json.loads(api(f"/v1/jobs/{job['id']}?wait=30s"))
print(job["state"], job.get("image_url") or job.get("error"))
image = api(f"/v1/jobs/{job['id']}/image")
with open("shot.png", "wb") as file:
    file.write(image)
