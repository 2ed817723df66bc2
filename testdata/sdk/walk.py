"""Walks through every endpoint of a ScreenshotCenter-compatible API the way
the vendor's Python SDK does: key in the query, booleans as true and false,
repeated keys for lists, one JSON string for objects, multipart for a batch.
Python 3.9 or newer, standard library only.

    SCREENSHOTCENTER_API_KEY=… SCREENSHOTCENTER_BASE_URL=http://127.0.0.1:8070/api/v1 python3 walk.py [URL]

It prints what it did, one line a step, and ends with status 1 and the reason
at the first answer that is not as documented.
"""

import io
import json
import os
import struct
import sys
import time
import uuid
import zipfile
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, build_opener, ProxyHandler

KEY = os.environ["SCREENSHOTCENTER_API_KEY"]
BASE = os.environ["SCREENSHOTCENTER_BASE_URL"].rstrip("/")
PAGE = sys.argv[1] if len(sys.argv) > 1 else "https://shop.shotline.test"
OPENER = build_opener(ProxyHandler({}))


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(body.get("error") or f"status {status}")
        self.status = status
        self.code = body.get("code")
        self.fields = body.get("fields") or {}


def as_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


def query(params):
    pairs = []
    for name, value in params.items():
        if isinstance(value, list) and not any(isinstance(item, dict) for item in value):
            pairs += [(name, as_text(item)) for item in value]
        elif isinstance(value, list):
            pairs.append((name, json.dumps(value)))
        elif value is not None:
            pairs.append((name, as_text(value)))
    return urlencode(pairs)


def send(path, params, body=None, kind=None):
    request = Request(f"{BASE}{path}?{query({'key': KEY, **params})}", data=body)
    if kind:
        request.add_header("Content-Type", kind)
    try:
        with OPENER.open(request, timeout=180) as response:
            data, kind = response.read(), response.headers.get("Content-Type", "")
    except HTTPError as error:
        raise ApiError(error.code, json.loads(error.read())) from None
    if "application/json" not in kind:
        return data
    answer = json.loads(data)
    if isinstance(answer, dict) and "success" in answer:
        if not answer["success"]:
            raise ApiError(200, answer)
        return answer["data"]
    return answer


def get(path, **params):
    return send(path, params)


def post_json(path, value):
    return send(path, {}, json.dumps(value).encode(), "application/json")


def post_form(path, fields, file):
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="urls.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\n"
    ).encode()
    body += file + f"\r\n--{boundary}--\r\n".encode()
    return send(path, {}, body, f"multipart/form-data; boundary={boundary}")


def want(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def refused(status, code, call, *args, **kwargs):
    try:
        answer = call(*args, **kwargs)
    except ApiError as error:
        want(error.status == status and code in (None, error.code), error.status, error.code, error, "- want", status, code)
        return error
    raise AssertionError(f"was answered with {answer!r:.200}, want status {status}")


def settled(path, id):
    while True:
        found = get(path, id=id)
        if found["status"] in ("finished", "error"):
            return found
        want(found["status"] in ("processing", "pending"), found)
        time.sleep(0.05)


def png_size(data):
    want(data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG:", data[:16])
    return struct.unpack(">II", data[16:24])


def account(walk):
    balance = get("/account/info")["balance"]
    want(isinstance(balance, (int, float)) and balance > 0, balance)


def wrong_input(walk):
    refused(400, "MISSING_PARAMS", get, "/screenshot/create")
    error = refused(422, "VALIDATION_ERROR", get, "/screenshot/create", url=PAGE, shots="many", pdf_format="A99")
    want(sorted(error.fields) == ["pdf_format", "shots"], error.fields)
    refused(401, "INVALID_API_KEY", send, "/account/info", {"key": "wrong"})
    refused(404, None, get, "/screenshot/info", id=999999999)


def create(walk):
    shot = get(
        "/screenshot/create",
        url=PAGE, size="page", format="jpeg", country="fr", language="fr-FR", timezone="Europe/Paris",
        device_name="iPhone 14", html=True, pdf=True, pdf_margin=1, tag=["walk", "python"], delay=0, dark=True,
        apps={"12": "archive/{domain}/{id}.png"},
    )
    want(isinstance(shot["id"], int) and shot["status"] in ("processing", "finished"), shot)
    want(shot["url"] == PAGE + "/" and shot["tag"] == ["walk", "python"] and shot["country"] == "fr", shot)
    done = settled("/screenshot/info", shot["id"])
    want(done["status"] == "finished" and done["error"] is None, done)
    want((done["size"], done["language"], done["timezone"]) == ("page", "fr-FR", "Europe/Paris"), done)
    want(done["has_html"] and done["has_pdf"] and not done["has_video"], done)
    walk["id"] = done["id"]


def outputs(walk):
    id = walk["id"]
    want(get("/screenshot/thumbnail", id=id)[:3] == b"\xff\xd8\xff", "not the JPEG that was asked for")
    want(png_size(get("/screenshot/thumbnail", id=id, format="png", width=120, height=90, ratio="fill")) == (120, 90), "fill")
    width, height = png_size(get("/screenshot/thumbnail", id=id, format="png", width=120, height=90, ratio="fit"))
    want(width < 120 and height == 90, "fit:", width, height)
    want(get("/screenshot/thumbnail", id=id, format="webp")[:4] == b"RIFF", "not a WebP")
    want("<html" in get("/screenshot/html", id=id).decode().lower(), "not HTML")
    want(get("/screenshot/pdf", id=id)[:4] == b"%PDF", "not a PDF")
    refused(404, None, get, "/screenshot/video", id=id)
    refused(404, None, get, "/screenshot/thumbnail", id=id, shot=2)


def lookups(walk):
    listed = get("/screenshot/list", tag="python", status="finished", country="fr")
    want([s["id"] for s in listed] == [walk["id"]], listed)
    want(get("/screenshot/list", tag="python", status="error") == [], "a status filter that does not filter")
    want(walk["id"] in [s["id"] for s in get("/screenshot/search", url=urlsplit(PAGE).netloc)], "not found by its URL")


def delete(walk):
    id = walk["id"]
    for data in ("image", "metadata", "url"):
        get("/screenshot/delete", id=id, data=data)
    refused(404, None, get, "/screenshot/pdf", id=id)
    get("/screenshot/delete", id=id)
    refused(404, None, get, "/screenshot/info", id=id)
    refused(422, "VALIDATION_ERROR", get, "/screenshot/delete", id=id, data="everything")


def batch(walk):
    made = post_form("/batch/create", {"country": "us", "size": "screen", "tag": "walk-py"}, f"{PAGE}/\r\n{PAGE}/again\r\n".encode())
    want(isinstance(made["id"], int) and made["count"] == 2, made)
    done = settled("/batch/info", made["id"])
    want((done["status"], done["processed"], done["failed"]) == ("finished", 2, 0), done)
    want(made["id"] in [b["id"] for b in get("/batch/list")], "not listed")
    with zipfile.ZipFile(io.BytesIO(get("/batch/download", id=made["id"]))) as archive:
        want(archive.testzip() is None, "the ZIP is damaged")
        want(len([n for n in archive.namelist() if n.endswith(".png")]) == 2, archive.namelist())


def batch_cancel(walk):
    made = post_json("/batch/create", {"urls": [PAGE] * 40, "country": "us"})
    try:
        post_json("/batch/cancel", {"id": made["batch_id"]})
    except ApiError as error:
        want(error.status == 409, error.status, error)  # it was over before
    settled("/batch/info", made["batch_id"])
    refused(409, None, post_json, "/batch/cancel", {"id": made["batch_id"]})
    refused(404, None, post_json, "/batch/cancel", {"id": 999999999})


def crawl(walk):
    refused(501, None, post_json, "/crawl/create", {"url": PAGE, "domain": urlsplit(PAGE).netloc, "max_urls": 5})
    refused(501, None, get, "/crawl/info", id=1)
    refused(501, None, get, "/crawl/list")
    refused(501, None, post_json, "/crawl/cancel", {"id": 1})


def main():
    walk = {}
    for step in (account, wrong_input, create, outputs, lookups, delete, batch, batch_cancel, crawl):
        try:
            step(walk)
        except (AssertionError, ApiError) as error:
            sys.exit(f"{step.__name__}: {error}")
        print("ok ", step.__name__.replace("_", " "))


main()
