#!/usr/bin/env python3
"""A stand-in for the open-source Mender server: releases, inventory and deployments as its API documents and source
describe them. It is not Mender. What devices say (/device/...) needs no log-in; all else needs a token, which holds for
30 requests only, so that whoever stays longer has to log in again.

Made for the conformance run: start() gives a server on loopback. Users: operator/operator-word; viewer/viewer-word may
read only. Pages are of two elements whatever is asked for, so that lists have several."""
import base64
import datetime
import http.server
import json
import secrets
import sys
import threading
import urllib.parse
import uuid

USERS = {"operator": "operator-word", "viewer": "viewer-word"}
ENDED = {"success", "failure", "noartifact", "already-installed", "aborted", "decommissioned"}
TOKEN_HOLDS, PAGE = 30, 2


class No(Exception):
    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Deployment:
    def __init__(self, name, artifact, ids):
        self.id, self.name, self.artifact, self.ids = str(uuid.uuid4()), name, artifact, sorted(set(ids))
        self.rows, self.created, self.finished = {}, now(), None

    def row(self, device):
        return self.rows.setdefault(device, {"id": device, "status": "pending", "created": now()})

    def end(self, device, word):
        self.row(device).update(status=word, finished=now())
        if all(self.rows.get(i, {}).get("status") in ENDED for i in self.ids):
            self.finished = self.finished or now()

    def abort(self):
        for row in self.rows.values():
            if row["status"] not in ENDED:
                row["status"] = "aborted"  # and no time: the server's own query sets none
        self.finished = now()

    def shown(self):
        moving = any(r["status"] != "pending" for r in self.rows.values())
        v = {"id": self.id, "name": self.name, "artifact_name": self.artifact, "created": self.created,
             "status": "finished" if self.finished else "inprogress" if moving else "pending", "statistics": {}}
        return {**v, "finished": self.finished} if self.finished else v


class World:
    def __init__(self, releases):
        self.releases, self.devices, self.deployments, self.tokens = list(releases), {}, [], {}

    def alive(self, device):
        """Oldest first, as a device works through them."""
        return [d for d in self.deployments if not d.finished and device in d.ids and
                d.rows.get(device, {}).get("status") not in ENDED]

    # --- what devices say ---

    def device(self, name, verb, body):
        d = self.devices.setdefault(name, {"artifact": "", "at": now()})
        d["at"] = now()
        if verb == "reports":  # its inventory
            d["artifact"] = body["artifact"]
        elif verb == "next":
            for k in self.alive(name):
                k.row(name)
                if d["artifact"] != k.artifact:
                    return {"id": k.id, "artifact": k.artifact}
                k.end(name, "already-installed")
        elif verb == "says":
            k = next(k for k in self.deployments if k.id == body["id"])
            if k.row(name)["status"] in ENDED:
                raise No(409, "Deployment aborted")
            if body["status"] in ENDED:
                k.end(name, body["status"])
            else:
                k.row(name)["status"] = body["status"]
        return {}

    # --- what people ask ---

    def log_in(self, auth):
        name, _, word = base64.b64decode(auth.removeprefix("Basic ")).decode().partition(":")
        if not word or USERS.get(name) != word:
            raise No(401, "unauthorized")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = [name, TOKEN_HOLDS]
        return token

    def user(self, auth):
        grant = self.tokens.get(auth.removeprefix("Bearer "))
        if not grant or grant[1] == 0:
            raise No(401, "unauthorized")
        grant[1] -= 1
        return grant[0]

    def inventory(self, name):
        d = self.devices[name]
        return {"id": name, "updated_ts": d["at"], "attributes": [
            {"name": "artifact_name", "scope": "inventory", "value": d["artifact"]},
            {"name": "device_type", "scope": "inventory", "value": ["hub", "other"]}]}

    def create(self, body):
        if not body.get("name") or not body.get("artifact_name") or not body.get("devices"):
            raise No(400, "Validating request body: cannot be blank")
        if body["artifact_name"] not in self.releases:
            raise No(422, "No artifact for the deployment")
        same = (body["name"], body["artifact_name"], sorted(set(body["devices"])))
        if any(not d.finished and (d.name, d.artifact, d.ids) == same for d in self.deployments):
            raise No(409, "there is already an active deployment with the same parameters")
        self.deployments.append(Deployment(body["name"], body["artifact_name"], body["devices"]))
        return self.deployments[-1].id

    def take_out(self, device):
        for d in self.alive(device):
            d.end(device, "aborted")

    def deployment(self, ident):
        found = [d for d in self.deployments if d.id == ident]
        if not found:
            raise No(404, "Resource not found")
        return found[0]

    def set_status(self, d, body):
        if d.finished:
            raise No(422, "Deployment already finished")
        d.abort()
        if body.get("status") != "aborted":
            raise No(400, "Unexpected deployment status")

    def answer(self, method, path, body):
        """Status, and what is answered: a list is given in pages."""
        inventory, rest = path[:2] == ["v1", "inventory"], path[3:]
        if inventory and method == "GET" and path[2:3] == ["devices"]:
            if rest and rest[0] not in self.devices:
                raise No(404, "device not found")
            return 200, self.inventory(rest[0]) if rest else [self.inventory(i) for i in sorted(self.devices)]
        if inventory or path[1:3] != ["deployments", "deployments"]:
            raise No(404, "not found")
        if path[0] == "v2" and method == "GET" and rest in ([], ["releases"]):
            return 200, [{"name": r} for r in self.releases] if rest else [d.shown() for d in self.deployments[::-1]]
        if method == "POST" and not rest:
            return 201, self.create(body)
        if rest[0] == "devices" and method == "DELETE":
            return 204, self.take_out(rest[1])
        if rest[0] == "devices":
            return 200, [{"deployment": d.shown(), "device": d.rows[rest[1]]} for d in self.deployments[::-1]
                         if rest[1] in d.rows]
        d = self.deployment(rest[0])
        if method == "PUT" and rest[1:] == ["status"]:
            return 204, self.set_status(d, body)
        if rest[1:] == ["device_list"]:
            return 200, d.ids
        if rest[1:] == ["devices", "list"]:
            return 200, [d.rows[i] for i in sorted(d.rows)]
        raise No(404, "not found")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=None, kind="application/json", **headers):
        data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for k, v in {"X-MEN-RequestID": str(uuid.uuid4()), "Content-Type": kind, **headers}.items():
            self.send_header(k.replace("_", "-"), v)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def page(self, rows, path, query):
        number = int(query.get("page", "1"))
        if not 1 <= int(query.get("per_page", "20")) <= 500:
            raise No(400, "per_page: must be 1..500")
        more = number * PAGE < len(rows)
        link = f'<{path}?page=1>; rel="first"' + (f', <{path}?page={number + 1}>; rel="next"' if more else "")
        self.reply(200, rows[(number - 1) * PAGE:number * PAGE], Link=link, X_Total_Count=str(len(rows)))

    def route(self, world, body):
        target, _, query = self.path.partition("?")
        path = [urllib.parse.unquote(p) for p in target.strip("/").split("/")]
        auth = self.headers.get("Authorization", "")
        if path[0] == "device":
            return self.reply(200, world.device(path[1], path[2], body))
        if target == "/api/management/v1/useradm/auth/login":
            return self.reply(200, world.log_in(auth), "application/jwt")
        if world.user(auth) == "viewer" and self.command != "GET":
            raise No(403, "forbidden")
        status, answer = world.answer(self.command, path[2:], body)
        if isinstance(answer, list):
            return self.page(answer, target, dict(urllib.parse.parse_qsl(query)))
        if status == 201:
            return self.reply(201, Location="./deployments/" + answer)
        return self.reply(status, answer)

    def handle_all(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with self.server.lock:
                self.route(self.server.world, json.loads(raw) if raw else {})
        except No as e:
            self.reply(e.status, {"error": str(e), "request_id": "r"})

    do_GET = do_POST = do_PUT = do_DELETE = handle_all


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, releases):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.world = threading.Lock(), World(releases)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that ends closes what it has kept alive
            super().handle_error(request, client_address)


def start(releases=("hub 1.0", "hub 2.0")):
    server = Server(releases)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
