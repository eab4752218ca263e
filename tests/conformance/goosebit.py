#!/usr/bin/env python3
"""A real gooseBit for the conformance run: installed by pip at a pinned version, on loopback, with three users, two
releases and devices that speak its device API.

goosebit.py record FOLDER writes what it answers to the requests of the back end: the recordings that the back end's
decoder is tested against (tests/client/goosebit). No secret is in them."""
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import servers

HERE = pathlib.Path(__file__).resolve().parent
READS = ["goosebit.device.read", "goosebit.rollout.read", "goosebit.software.read"]
USERS = {"viewer": READS, "operator": READS + ["goosebit.device.write", "goosebit.rollout.write"]}


def python():
    """The interpreter of an environment that holds exactly what is asked for."""
    home, wanted = servers.CACHE / "goosebit", (HERE / "goosebit" / "requirements.txt").read_text()
    mark = home / "holds"
    if not mark.exists() or mark.read_text() != wanted:
        home.mkdir(parents=True, exist_ok=True)
        for step in ([sys.executable, "-m", "venv", "--clear", str(home)],
                     [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                      "-r", str(HERE / "goosebit" / "requirements.txt")]):
            r = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, check=False)
            if r.returncode != 0:
                raise RuntimeError("pip could not install gooseBit:\n" + r.stdout[-3000:])
        mark.write_text(wanted)
    return str(home / "bin" / "python")


def image(version, boards):
    """An SWUpdate image of nothing: a cpio archive whose first member says what it is for."""
    boards = "".join(f'{model}: {{ hardware-compatibility: [ "{rev}" ]; images: ( {{ filename = "empty"; '
                     f'device = "/dev/null"; }} ); }};\n' for model, rev in boards)
    members = [("sw-description", f'software = {{ version = "{version}";\n{boards}}}\n'.encode()),
               ("empty", version.encode()), ("TRAILER!!!", b"")]
    out = b""
    for name, data in members:
        fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, sum(data)]
        out += b"070702" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out


class Goosebit:
    """users: admin may do everything, operator what andon needs, viewer may read; NAME-word is their password."""
    def __init__(self, folder, name="goosebit"):
        self.port = servers.free_port()
        self.url, self.token = f"http://127.0.0.1:{self.port}", None
        self.proc = servers.Process(name, [python(), str(HERE / "goosebit" / "serve.py"), str(self.port), folder], folder)

    def wait(self):
        servers.wait_for("gooseBit", lambda: self.proc.alive() and urllib.request.urlopen(
            self.url + "/openapi.json", timeout=5).status == 200, 120, 0.25)
        self.log_in("admin", "/setup")
        for name, rights in USERS.items():
            self.ok("PUT", "/api/v1/settings/users", {"username": name, "password": name + "-word",
                                                      "permissions": rights})

    def call(self, method, path, body=None, kind="application/json", token=None):
        headers = {"Content-Type": kind} if body is not None else {}
        if token or self.token:
            headers["Authorization"] = "Bearer " + (token or self.token)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers, method=method),
                                        timeout=60) as r:
                status, kind, raw = r.status, r.headers["Content-Type"], r.read()
        except urllib.error.HTTPError as e:
            status, kind, raw = e.code, e.headers["Content-Type"], e.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode("utf-8", "replace")

    def ok(self, method, path, body=None, **how):
        status, answer = self.call(method, path, body, **how)
        assert status == 200, (method, path, status, answer)
        return answer

    def log_in(self, name, path="/login"):
        form = urllib.parse.urlencode({"username": name, "password": name + "-word"}).encode()
        self.token = self.ok("POST", path, form, kind="application/x-www-form-urlencoded")["access_token"]

    def upload(self, version, boards=(("cam", "b2"),)):
        part = (b'--mark\r\nContent-Disposition: form-data; name="file"; filename="cam-%s.swu"\r\n\r\n' %
                version.encode() + image(version, boards) + b"\r\n--mark--\r\n")
        return self.ok("PUT", "/api/v1/software", part, kind="multipart/form-data; boundary=mark")["id"]


class Device:
    """Speaks the device API as SWUpdate does. What it does is called step by step: no clock is in it."""
    def __init__(self, server, name, version="1.0", board=("cam", "b2")):
        self.server, self.name, self.version, self.board = server, name, version, board
        self.base = f"/DEFAULT/controller/v1/{urllib.parse.quote(name, safe='')}"

    def register(self):
        self.server.call("GET", self.base)
        self.server.ok("PUT", self.base + "/configData", {"mode": "merge", "data": {
            "hw_boardname": self.board[0], "hw_revision": self.board[1], "sw_version": self.version}})

    def offered(self):
        """The action that it is offered, None."""
        link = self.server.ok("GET", self.base)["_links"].get("deploymentBase")
        if not link:
            return None
        status, what = self.server.call("GET", urllib.parse.urlparse(link["href"]).path)
        return (what["id"], what["deployment"]["chunks"][0]["version"]) if status == 200 and what else None

    def report(self, action, execution, finished="none"):
        self.server.ok("POST", f"{self.base}/deploymentBase/{action[0]}/feedback", {"status": {
            "execution": execution, "result": {"finished": finished}, "details": ["a line of its log"]}})

    def begin(self):
        action = self.offered()
        if action:
            self.report(action, "proceeding")
        return action

    def end(self, action, good=True):
        self.report(action, "closed", "success" if good else "failure")
        if good:
            self.version = action[1]
        self.register()

    def update(self, good=True):
        action = self.begin()
        if action:
            self.end(action, good)
        return action


# --- recordings ---

SECRET = ("access_token", "auth_token", "password")


def blank(v):
    if isinstance(v, dict):
        return {k: "(secret)" if k in SECRET and x is not None else blank(x) for k, x in v.items()}
    return [blank(x) for x in v] if isinstance(v, list) else v


def record(folder):
    out, home = pathlib.Path(folder), servers.scratch()
    out.mkdir(parents=True, exist_ok=True)
    s = Goosebit(home)
    s.wait()

    def keep(name, method, path, body=None, **how):
        status, answer = s.call(method, path, body, **how)
        shown = "(a form with a user and a password)" if isinstance(body, bytes) else body
        (out / f"{name}.json").write_text(json.dumps(
            {"request": {"method": method, "path": path, "body": shown},
             "answer": {"status": status, "body": blank(answer)}}, indent=1) + "\n")

    one, two = s.upload("1.0"), s.upload("2.0")
    other = s.upload("2.0", (("box", "default"), ("hub", "r3")))
    devices = {name: Device(s, name) for name in
               ("cam-new", "cam-told", "cam-busy", "cam-done", "cam-failed", "cam-again", "cam-back", "cam two ä")}
    devices["hub-1"] = Device(s, "hub-1", "2.0", ("hub", "r3"))
    for d in devices.values():
        d.register()
    s.call("GET", "/DEFAULT/controller/v1/silent")  # asked once, said nothing
    openapi = s.ok("GET", "/openapi.json")
    (out / "openapi.json").write_text(json.dumps(
        {"request": {"method": "GET", "path": "/openapi.json", "body": None},
         "answer": {"status": 200, "body": {"openapi": openapi["openapi"], "info": openapi["info"]}}}, indent=1) + "\n")
    form = b"username=operator&password="
    keep("login", "POST", "/login", form + b"operator-word", kind="application/x-www-form-urlencoded")
    keep("login-wrong", "POST", "/login", form + b"no", kind="application/x-www-form-urlencoded")
    keep("token-garbled", "GET", "/api/v1/software", token="garbled")
    keep("token-old", "GET", "/api/v1/software", token="eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
         "eyJ1c2VybmFtZSI6ImFkbWluIn0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    s.log_in("viewer")
    keep("viewer-tells", "PATCH", "/api/v1/devices", {"devices": [], "software": "1"})
    s.log_in("operator")
    keep("software", "GET", "/api/v1/software")
    keep("nobody", "PATCH", "/api/v1/devices", {"devices": []})
    told = ["cam-told", "cam-busy", "cam-done", "cam-failed", "cam-again"]
    keep("tell", "PATCH", "/api/v1/devices", {"devices": told, "software": str(two)})
    devices["cam-busy"].begin()
    devices["cam-done"].update()
    devices["cam-failed"].update(good=False)
    devices["cam-again"].update(good=False)
    keep("tell-half", "PATCH", "/api/v1/devices", {"devices": ["cam-back", "no-such"], "name": "half"})
    keep("tell-board", "PATCH", "/api/v1/devices", {"devices": ["cam-new", "hub-1"], "software": str(two)})
    keep("tell-wrong", "PATCH", "/api/v1/devices", {"devices": "cam-new"})
    keep("recall", "PATCH", "/api/v1/devices", {"devices": ["cam-new"], "software": "rollout", "feed": "default"})
    keep("recall-without-feed", "PATCH", "/api/v1/devices", {"devices": ["cam-told"], "software": "rollout"})
    keep("tell-again", "PATCH", "/api/v1/devices", {"devices": ["cam-again"], "software": str(two),
                                                    "force_update": True})
    rollout = s.ok("PUT", "/api/v1/rollouts", {"name": "night", "feed": "night", "software_id": two})["id"]
    s.ok("PUT", "/api/v1/rollouts", {"name": "old", "feed": "default", "software_id": one})
    s.ok("PATCH", "/api/v1/devices", {"devices": ["cam-back"], "feed": "night"})
    s.ok("PATCH", "/api/v1/devices", {"devices": ["hub-1"], "software": "latest"})
    keep("rollouts", "GET", "/api/v1/rollouts")
    keep("rollout-nobody", "PATCH", "/api/v1/rollouts", {"ids": [0], "paused": True})
    keep("devices", "GET", "/api/v1/devices")
    keep("rollout-off", "PATCH", "/api/v1/rollouts", {"ids": [rollout], "paused": True})
    print(f"{len(list(out.glob('*.json')))} recordings in {out}; releases {one}, {two}, {other}")


if __name__ == "__main__":
    assert sys.argv[1] == "record", __doc__
    record(sys.argv[2])
