"""Goes through what the vendor's SDKs, their fixtures and its pages show, one
usage after another, where they go beyond the walks: steps by element, device
names, images that are not ready, forms of listings, batches with their rows,
errors with the id of their request.
Python 3.9 or newer, standard library only.

    SCREENSHOTCENTER_API_KEY=… SCREENSHOTCENTER_BASE_URL=http://127.0.0.1:8070/api/v1 python3 usages.py [URL]

It prints what it did, one line a usage, and ends with status 1 and the reason
at the first answer that is not as documented. The page must be rendered by a
browser.
"""

import json
import os
import re
import sys
import time
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

KEY = os.environ["SCREENSHOTCENTER_API_KEY"]
BASE = os.environ["SCREENSHOTCENTER_BASE_URL"].rstrip("/")
PAGE = sys.argv[1] if len(sys.argv) > 1 else "https://shop.shotline.test"
OPENER = build_opener(ProxyHandler({}))

# Adds what the steps act on, and notes there what happened.
FIXTURE = """
  document.body.insertAdjacentHTML("afterbegin",
    "<button id=accept>ok</button><input id=q value=red><p id=log></p>");
  const log = text => document.getElementById("log").append(text + ";");
  accept.onclick = e => { e.stopPropagation(); log("accepted") };
  q.oninput = () => log("q=" + q.value);
  onclick = e => log("clicked " + (e.clientX === innerWidth / 2 && e.clientY === innerHeight / 2 ? "the middle" : "elsewhere"));
"""


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"status {status}: {body}")
        self.status = status
        self.body = body


def call(path, body=None, **params):
    """Returns the body of an answer and its headers."""
    pairs = [("key", KEY)]
    for name, value in params.items():
        for item in value if isinstance(value, list) and not any(isinstance(i, dict) for i in value) else [value]:
            composite = isinstance(item, (dict, list))
            pairs.append((name, json.dumps(item) if composite else str(item).lower() if isinstance(item, bool) else str(item)))
    request = Request(f"{BASE}{path}?{urlencode(pairs)}", data=None if body is None else json.dumps(body).encode())
    try:
        with OPENER.open(request, timeout=180) as response:
            return response.read(), response.headers
    except HTTPError as error:
        raise Refused(error.code, json.loads(error.read())) from None


def get(path, body=None, **params):
    """Returns what an answer holds, with and without an envelope."""
    answer = json.loads(call(path, body, **params)[0])
    if isinstance(answer, dict) and "success" in answer:
        want(answer["success"] is True, answer)
        return answer["data"]
    return answer


def rows(listing):
    """Reads both forms of a listing, as the SDKs' code and a README have them."""
    return listing["screenshots"] if isinstance(listing, dict) else listing


def want(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def refused(status, path, field=None, body=None, **params):
    try:
        answer = call(path, body, **params)[0]
    except Refused as error:
        want(error.status == status, error, "- want", status)
        want(error.body.get("success", False) is False and error.body["error"] and error.body["code"], error.body)
        want(re.fullmatch(r"req_\w+", error.body["details"]["request_id"]), error.body)
        want(field is None or error.body["fields"][field], error.body)
        return error.body
    raise AssertionError(f"was answered with {answer[:200]}, want status {status}")


def settled(path, id):
    while True:
        found = get(path, id=id)
        if found["status"] in ("finished", "error"):
            return found
        want(found["status"] in ("processing", "pending"), found)
        time.sleep(0.05)


def log_of(id):
    html = call("/screenshot/html", id=id)[0].decode()
    return re.search(r'<p id="?log"?>([^<]*)', html).group(1)


def steps(walk):
    shot = get("/screenshot/create", url=PAGE, html=True, screen_width=800, screen_height=600, tag="usages",
               script_inline=FIXTURE, steps=[
                   {"command": "click", "element": "#accept"},
                   {"command": "type", "selector": "#q", "value": "!"},
                   {"command": "type", "element": "#q", "value": "?"},
                   {"command": "click"},
                   {"command": "wait", "value": "200"},
                   {"command": "sleep", "value": 2},
                   {"command": "screenshot"}])
    walk["id"] = shot["id"]
    # The page sleeps for two seconds or, as --sleep-unit may have it, less.
    try:
        call("/screenshot/thumbnail", id=shot["id"])
    except Refused as error:
        want(error.status == 404 and "not ready" in error.body["error"], error)
        walk["was not ready"] = True
    done = settled("/screenshot/info", shot["id"])
    want(done["status"] == "finished" and done["shots"] == 2, done)
    want(log_of(shot["id"]) == "accepted;q=red!;q=red!?;clicked the middle;", log_of(shot["id"]))


def not_ready(walk):
    want(walk.get("was not ready"), "the image of a screenshot that sleeps was there at once")
    for path in ("/screenshot/thumbnail", "/screenshot/html", "/screenshot/pdf", "/screenshot/video"):
        refused(404, path, id=999999999)


def object(walk):
    shot = get("/screenshot/info", id=walk["id"])
    for name in ("created_at", "finished_at"):
        want(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shot[name]), name, shot[name])
    for name in ("country", "language", "timezone"):
        want(isinstance(shot[name], str) and shot[name], name, shot[name])


def devices(_):
    agents = set()
    for name in ("iphone_14", "iPhone 14", "IPHONE-14", "iphone14"):
        shot = settled("/screenshot/info", get("/screenshot/create", url=PAGE, device_name=name)["id"])
        want(shot["status"] == "finished", name, shot)
        png = call("/screenshot/thumbnail", id=shot["id"])[0]
        agents.add(int.from_bytes(png[16:20], "big"))
    want(agents == {1170}, "images of", agents, "px, want 390 at a scale of 3")
    for name in ("ipad_mini", "galaxy_s23", "pixel_8", "iphone_se", "galaxy_tab_s8"):
        get("/screenshot/create", url=PAGE, device_name=name)
    refused(422, "/screenshot/create", "device_name", url=PAGE, device_name="brick_3000")


def thumbnails(walk):
    id = walk["id"]
    webp, headers = call("/screenshot/thumbnail", id=id, format="webmp")
    want(webp[:4] == b"RIFF" and headers["Content-Type"] == "image/webp", headers["Content-Type"])
    want("Content-Disposition" not in headers, headers)
    size = lambda **params: [int.from_bytes(call("/screenshot/thumbnail", id=id, format="png", **params)[0][i:i + 4], "big") for i in (16, 20)]
    want(size() == size(zoom=100) == [800, 600] and size(zoom=50) == [400, 300], "zoom", size(zoom=50))
    want(size(width=200, height=200) == [200, 150], "without a ratio it is fitted:", size(width=200, height=200))
    refused(422, "/screenshot/thumbnail", "zoom", id=id, zoom="wide")
    headers = call("/screenshot/thumbnail", id=id, filename="../front page.png")[1]
    want(headers["Content-Disposition"] == 'attachment; filename="front page.png"', headers["Content-Disposition"])


def listings(walk):
    want([s["id"] for s in rows(get("/screenshot/list", tag="usages"))] == [walk["id"]], "list")
    host = urlsplit(PAGE).netloc
    for query in ({"url": host}, {"q": host}):
        want(walk["id"] in [s["id"] for s in rows(get("/screenshot/search", limit=100, **query))], "search", query)


def errors(_):
    refused(422, "/screenshot/create", "country", url=PAGE, country="atlantis")
    refused(400, "/screenshot/create")
    refused(422, "/screenshot/create", "steps", url=PAGE, steps=[{"command": "type", "value": "x"}])
    refused(422, "/batch/create", "country", body={"urls": [PAGE], "country": "xx"})
    refused(404, "/screenshot/info", id=999999999)


def batches(_):
    made = get("/batch/create", body={"urls": [PAGE, "https://broken.shotline.test/"], "country": "us"})
    done = settled("/batch/info", made["batch_id"])
    listed = done["screenshots"]
    want([s["url"] for s in listed] == [PAGE + "/", "https://broken.shotline.test/"], listed)
    want([s["status"] for s in listed] == ["finished", "error"], listed)
    want(call("/screenshot/thumbnail", id=listed[0]["screenshot_id"])[0][:4] == b"\x89PNG", "the image of a row")
    link = urlsplit(done["zip_url"])
    want(link.path.endswith("/api/v1/batch/download") and parse_qs(link.query) == {"id": [str(made["batch_id"])]}, done["zip_url"])
    with OPENER.open(Request(done["zip_url"], headers={"X-API-KEY": KEY}), timeout=60) as response:
        want(response.read(2) == b"PK", "not a ZIP")


def main():
    walk = {}
    for usage in (steps, not_ready, object, devices, thumbnails, listings, errors, batches):
        try:
            usage(walk)
        except (AssertionError, Refused) as error:
            sys.exit(f"{usage.__name__}: {error}")
        print("ok ", usage.__name__.replace("_", " "))


main()
