#!/usr/bin/env python3
"""A stand-in for AWS IoT: things, and jobs as the service model and its documents describe them. It is not AWS. Every
request to it is to be signed, and the signature is checked; only what devices say (/device/...) is not.

Made for the conformance run: start() gives a server on loopback. Keys: AKIAADMIN/admin-word; AKIAVIEWER/viewer-word may
read only; ASIATEMP/temp-word need the session token temp-token."""
import datetime
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import urllib.parse

REGION, ARN = "eu-west-1", "arn:aws:iot:eu-west-1:123456789012:"
KEYS = {"AKIAADMIN": "admin-word", "AKIAVIEWER": "viewer-word", "ASIATEMP": "temp-word"}
ENDED = {"SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "CANCELED", "REMOVED"}


class No(Exception):
    def __init__(self, status, kind, why=""):
        super().__init__(why)
        self.status, self.kind = status, kind


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def signer(method, target, headers, body):
    """The id of the key that signed it."""
    try:
        scheme, fields = headers["Authorization"].split(" ", 1)
        fields = dict(f.strip().split("=", 1) for f in fields.split(","))
        key, *scope = fields["Credential"].split("/")
        stamp, names = headers["X-Amz-Date"], fields["SignedHeaders"].split(";")
        then = datetime.datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    except (AttributeError, KeyError, TypeError, ValueError):
        raise No(403, "MissingAuthenticationTokenException") from None
    if key not in KEYS or (key[:4] == "ASIA") != (headers.get("X-Amz-Security-Token") == "temp-token"):
        raise No(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if abs(time.time() - then) > 300:
        raise No(403, "InvalidSignatureException", "Signature expired")
    path, _, query = target.partition("?")
    params = sorted(tuple(p.split("=", 1)) if "=" in p else (p, "") for p in query.split("&") if p)
    text = "\n".join([method, "/".join(map(encode, path.split("/"))), "&".join(f"{k}={v}" for k, v in params),
                      *(f"{n}:{headers[n].strip()}" for n in names), "", ";".join(names), hashlib.sha256(body).hexdigest()])
    mac = ("AWS4" + KEYS[key]).encode()
    for step in scope:
        mac = hmac.new(mac, step.encode(), "sha256").digest()
    text = "\n".join([scheme, stamp, "/".join(scope), hashlib.sha256(text.encode()).hexdigest()])
    right = hmac.new(mac, text.encode(), "sha256").hexdigest()
    if scope != [stamp[:8], REGION, "iot", "aws4_request"] or not hmac.compare_digest(right, fields["Signature"]):
        raise No(403, "InvalidSignatureException", "The request signature we calculated does not match")
    return key


class Jobs:
    def __init__(self):
        self.things, self.jobs, self.lock, self.throttle = {}, {}, threading.Lock(), 0

    def page(self, rows, query, name):
        at, most = int(query.get("nextToken", 0)), int(query.get("maxResults", 250))
        out = {name: rows[at:at + most]}
        return out | {"nextToken": str(at + most)} if at + most < len(rows) else out

    def settle(self, job):
        if job["status"] == "IN_PROGRESS" and all(x["status"] in ENDED for x in job["x"].values()):
            job["status"] = "COMPLETED"

    def move(self, x, status):
        x["status"], x["lastUpdatedAt"] = status, round(time.time(), 3)
        if status == "IN_PROGRESS":
            x.setdefault("startedAt", x["lastUpdatedAt"])

    def job(self, name):
        if name not in self.jobs:
            raise No(404, "ResourceNotFoundException", "no such job")
        return self.jobs[name]

    def create(self, name, body):
        targets = [t.removeprefix(ARN + "thing/") for t in body.get("targets", [])]
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) or not targets or not body.get("document"):
            raise No(400, "InvalidRequestException", "targets and document are required")
        if name in self.jobs:
            raise No(409, "ResourceAlreadyExistsException", "the job is there")
        if not set(targets) <= set(self.things):
            raise No(404, "ResourceNotFoundException", "no such thing")
        now = round(time.time(), 3)
        self.jobs[name] = {"body": body, "status": "IN_PROGRESS", "createdAt": now, "x": {
            t: {"status": "QUEUED", "queuedAt": now, "lastUpdatedAt": now} for t in targets}}
        return {"jobId": name, "jobArn": f"{ARN}job/{name}"}

    def cancel(self, thing, name, force):
        x = self.job(name)["x"].get(thing)
        if not x:
            raise No(404, "ResourceNotFoundException", "no such execution")
        if x["status"] in ENDED or (x["status"] == "IN_PROGRESS" and not force):
            raise No(409, "InvalidStateTransitionException", "it is " + x["status"])
        self.move(x, "CANCELED")
        self.settle(self.jobs[name])
        return None

    def brief(self, name):
        job = self.jobs[name]
        return {"jobId": name, "jobArn": f"{ARN}job/{name}", "targetSelection": "SNAPSHOT", "status": job["status"],
                "createdAt": job["createdAt"], "lastUpdatedAt": job["createdAt"]}

    def thing(self, name):
        return {"thingName": name, "thingArn": f"{ARN}thing/{name}", "attributes": self.things[name], "version": 1}

    def ask(self, method, parts, query, body):
        if method == "GET" and parts == ["things"]:
            return self.page([self.thing(t) for t in sorted(self.things)], query, "things")
        if method == "GET" and len(parts) == 2 and parts[0] == "things":
            if parts[1] not in self.things:
                raise No(404, "ResourceNotFoundException", "no such thing")
            return self.thing(parts[1])
        if method == "GET" and len(parts) == 3 and parts[0] == "things":
            return self.page([{"jobId": n, "jobExecutionSummary": j["x"][parts[1]]} for n, j in self.jobs.items()
                              if parts[1] in j["x"]], query, "executionSummaries")
        if method == "GET" and parts == ["jobs"]:
            return self.page([self.brief(n) for n in self.jobs], query, "jobs")
        if method == "GET" and len(parts) == 2 and parts[0] == "jobs":
            return {"job": self.brief(parts[1]) | {"targets": self.job(parts[1])["body"]["targets"]}}
        if method == "GET" and len(parts) == 3 and parts[0] == "jobs":
            return self.page([{"thingArn": f"{ARN}thing/{t}", "jobExecutionSummary": x}
                              for t, x in self.job(parts[1])["x"].items()], query, "executionSummaries")
        if method == "PUT" and len(parts) == 2 and parts[0] == "jobs":
            return self.create(parts[1], body)
        if method == "PUT" and len(parts) == 5 and parts[4] == "cancel":
            return self.cancel(parts[1], parts[3], query.get("force") == "true")
        raise No(404, "ResourceNotFoundException", "no such call")

    def device(self, parts, body):
        """POST /device/NAME: registers, with its attributes; /device/NAME/next; /device/NAME/JOB with a status."""
        name = parts[1]
        if len(parts) == 2:
            self.things[name] = body
            return {}
        if parts[2] == "next":
            waiting = [(n, j["x"][name]) for n, j in self.jobs.items()
                       if name in j["x"] and j["x"][name]["status"] not in ENDED]
            waiting.sort(key=lambda w: w[1]["status"] != "IN_PROGRESS")
            return {"job": waiting[0][0], "document": self.jobs[waiting[0][0]]["body"]["document"]} if waiting else {}
        x = self.job(parts[2])["x"][name]
        if x["status"] in ENDED:
            raise No(409, "InvalidStateTransitionException", "it is " + x["status"])
        self.move(x, body["status"])
        self.settle(self.jobs[parts[2]])
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value, kind=None):
        raw = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("x-amzn-RequestId", hashlib.sha256(self.path.encode()).hexdigest()[:16])
        if kind:
            self.send_header("x-amzn-ErrorType", kind + ":")
        self.end_headers()
        self.wfile.write(raw)

    def any(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        jobs = self.server.jobs
        try:
            with jobs.lock:
                if parts[0] == "device":
                    self.answer(200, jobs.device(parts, json.loads(raw or b"{}")))
                    return
                key = signer(self.command, self.path, self.headers, raw)
                if jobs.throttle:
                    jobs.throttle -= 1
                    raise No(400, "ThrottlingException", "Rate exceeded")
                if key == "AKIAVIEWER" and self.command != "GET":
                    raise No(403, "AccessDeniedException", "not authorized")
                self.answer(200, jobs.ask(self.command, parts, dict(urllib.parse.parse_qsl(query)),
                                          json.loads(raw or b"{}")))
        except No as e:
            self.answer(e.status, {"message": str(e)}, e.kind)

    do_GET = do_PUT = do_POST = any

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that has gone is none of ours."""


def start():
    server = Server(("127.0.0.1", 0), Handler)
    server.jobs = Jobs()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
