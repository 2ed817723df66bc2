# Receives callbacks and prints them. Takes only those that are signed with
# SHOTLINE_CALLBACK_SECRET and less than five minutes old.
import base64, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["SHOTLINE_CALLBACK_SECRET"].removeprefix("whsec_"), validate=True)
if len(KEY) < 24:
    sys.exit("SHOTLINE_CALLBACK_SECRET: want whsec_…, as serve has it")

def verified(headers, body):
    event, at, given = (headers.get("webhook-" + name, "") for name in ("id", "timestamp", "signature"))
    if not (at.isdecimal() and len(at) < 12 and abs(time.time() - int(at)) < 300):
        return False
    want = b"v1," + base64.b64encode(hmac.digest(KEY, f"{event}.{at}.".encode() + body, "sha256"))
    return any(hmac.compare_digest(want, one.encode()) for one in given.split(" "))

class Hooks(BaseHTTPRequestHandler):
    timeout = 15

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(length)) if length.isdecimal() and len(length) < 7 else b""
        if not verified(self.headers, body):
            return self.send_error(401)
        event = json.loads(body)
        print(event["type"], event["data"].get("id"), event["data"].get("image_url"), flush=True)  # can come twice: remember the webhook-id
        self.send_response(204)
        self.end_headers()

ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Hooks).serve_forever()
