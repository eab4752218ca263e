"""Several watchers of one rollout on a real hawkBit: two consoles and a guard, each with a log of its own, while the rollout
runs. A halt in one is seen and respected in the others within two polls; acknowledged in another; another client resumes;
the password is rotated; the server comes back empty and its ids begin again. They reach the server through a door that
knows the password of the day and to which server it leads."""
import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import sys
import threading
import types

import hubs
import servers
import steps

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import stub  # noqa: E402: the terminal to run a console on

POLICY = "limits: []\nevidence: {tests: off}\n"
TITLE, RELEASE, REASON = "Pad 1.0", "pad-1.0", "smoke from the pump room"
GROUPS = [("canary", 25), ("rest", 100)]
DEVICES = [f"pad-{i:03d}" for i in range(12)]
WATCHERS = ("first", "second", "guard")
KEEP = ("content-type", "accept", "content-length")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that has gone."""


class Door:
    """A way to a hawkBit on loopback: whoever has the password of the day comes in, as admin. Counts by user what was
    let in, by path."""

    def __init__(self, port, password):
        self.to, self.password, self.lock = port, password, threading.Lock()
        self.let_in, self.kept_out = [], []  # (user, method, path)
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                user, _, password = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")
                ok = password == door.password
                with door.lock:
                    (door.let_in if ok else door.kept_out).append((user, self.command, self.path.split("?")[0]))
                status, headers, out = door.ask(self.command, self.path, self.headers, body) if ok else (401, [], b"")
                self.send_response(status)
                for k, v in headers:
                    if k.lower() not in ("transfer-encoding", "connection", "content-length", "keep-alive", "server", "date"):
                        self.send_header(k, v)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, method, path, headers, body):
        conn = http.client.HTTPConnection("127.0.0.1", self.to, timeout=30)
        try:
            keep = {k: v for k, v in headers.items() if k.lower() in KEEP}
            conn.request(method, path, body or None, {**keep, "Authorization": hubs.basic("admin", "admin")})
            r = conn.getresponse()
            return r.status, r.getheaders(), r.read()
        except OSError:
            return 503, [], b""
        finally:
            conn.close()

    def polls(self, user):
        with self.lock:
            return sum(u == user and p == "/rest/v1/rollouts" for u, _, p in self.let_in)

    def posts(self, what):
        with self.lock:
            return [(u, p) for u, m, p in self.let_in if m == "POST" and p.endswith(what)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Watchers(steps.Steps):
    def __init__(self, program, world, folder):
        folder = pathlib.Path(folder) / "watchers"
        folder.mkdir()
        super().__init__(program, world, folder, POLICY)
        self.password, self.door = "of-monday", Door(world.hb.port, "of-monday")
        self.api = world.api  # of the server that the door leads to, past the door
        self.configs = {n: self.without_telemetry(n) for n in WATCHERS}
        self.ttys, self.guard, self.rid, self.new = {}, None, None, None

    def without_telemetry(self, name):
        path = self.configure(name, self.door.url, name, self.password, home=name)
        config = json.loads(path.read_text())
        del config["fleets"][0]["telemetry"]
        path.write_text(json.dumps(config))
        return path

    # --- looking ---

    def state(self):
        return self.api.ok("GET", f"/rest/v1/rollouts/{self.rid}")["status"]

    def alive(self):
        for tty in self.ttys.values():
            while tty.read(0):
                continue
        return self.guard.alive()

    def said(self):
        return self.guard.log.read_text(errors="replace")

    def until(self, what, check, seconds=10):
        return servers.wait_for(what, lambda: self.alive() and check(), seconds, 0.05)

    def within_polls(self, n, what, check, names=WATCHERS):
        """It comes to be so, and no watcher has asked more often than n times meanwhile, and once more for what was
        under way."""
        before = {name: self.door.polls(name) for name in names}
        self.until(what, check, 20)
        took = {name: self.door.polls(name) - before[name] for name in names}
        assert max(took.values()) <= n + 1, (what, took)

    def shows(self, name, what, since=0):
        return what.encode() in self.ttys[name].out[since:]

    def sizes(self):
        self.alive()
        return {n: len(t.out) for n, t in self.ttys.items()}, len(self.said())

    def notes(self):
        ds = self.api.ok("GET", f"/rest/v1/rollouts/{self.rid}")["distributionSetId"]
        return {m["key"]: m["value"] for m in self.api.ok("GET", f"/rest/v1/distributionsets/{ds}/metadata?limit=100")["content"]}

    # --- the steps, in order ---

    def they_watch_a_rollout_that_runs(self):
        self.api.ok("POST", "/rest/v1/targets", [{"controllerId": d, "name": d} for d in DEVICES])
        self.w.releases[RELEASE] = self.w.release(RELEASE)
        self.rid = self.w.create(TITLE, RELEASE, GROUPS, "pad-*")
        for name in ("first", "second"):
            stub.ANDON = self.program
            self.ttys[name] = stub.Tty(types.SimpleNamespace(config=self.configs[name], env={
                **os.environ, "HOME": str(self.folder / name), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}))
            self.ttys[name].until(TITLE.encode())
        self.guard = servers.Process("guard-3", [self.program, "--config", str(self.configs["guard"]), "guard"], self.folder)
        self.andon("start", str(self.rid), "--yes", config=self.configs["first"])
        self.until("the guard's sight of it", lambda: f"rollout={self.rid} state=running" in self.said(), 30)

    def a_halt_in_one(self):
        self.before = self.sizes()
        self.andon("halt", str(self.rid), "--reason", REASON, config=self.configs["first"])
        assert self.state() == "paused"

    def is_seen_in_the_others(self):
        sizes, log = self.before
        self.within_polls(2, "the halt in the others", lambda: self.shows("second", "pump room", sizes["second"]) and
                          "pump room" in self.said()[log:])
        note = self.notes()[f"andon.halt.{self.rid}"]
        assert REASON in note, note

    def and_respected(self):
        for name in WATCHERS:
            r = self.andon("resume", str(self.rid), "--yes", config=self.configs[name], expect=3)
            assert "ack" in r.stderr, r.stderr
        assert self.state() == "paused"

    def is_acknowledged_in_another(self):
        for name in ("first", "second", "guard"):  # whose note alone is a claim: each person acknowledges where they are
            self.andon("ack", str(self.rid), "--yes", config=self.configs[name])
        self.andon("resume", str(self.rid), "--yes", config=self.configs["second"])
        assert self.state() == "running"
        before = len(self.door.posts("/pause"))
        self.polls_more(3)
        assert len(self.door.posts("/pause")) == before and self.state() == "running", "it is halted again"

    def polls_more(self, n):
        begun = {name: self.door.polls(name) for name in WATCHERS}
        self.until(f"{n} polls more", lambda: all(self.door.polls(x) >= begun[x] + n for x in WATCHERS), 30)

    def another_client_resumes(self):
        self.andon("halt", str(self.rid), "--reason", "again", config=self.configs["first"])
        self.polls_more(2)
        sizes, log = self.sizes()
        self.api.ok("POST", f"/rest/v1/rollouts/{self.rid}/resume")
        self.within_polls(2, "HALTED, BUT RUNNING", lambda: self.shows("first", "BUT RUNNING", sizes["first"]) and
                          self.shows("second", "BUT RUNNING", sizes["second"]) and "BUT RUNNING" in self.said()[log:])
        self.andon("halt", str(self.rid), "--reason", "and again", config=self.configs["second"])
        assert self.state() == "paused"

    def the_password_is_rotated(self):
        self.password = self.door.password = "of-tuesday"
        for name in WATCHERS:
            (self.folder / f"{name}.secret").write_text(self.password + "\n")
        begun = {name: self.door.polls(name) for name in WATCHERS}
        out = len(self.door.kept_out)
        self.until("all live with the new password", lambda: all(self.door.polls(n) > begun[n] for n in WATCHERS), 15)
        tried = len(self.door.kept_out) - out
        assert tried < 40, f"{tried} requests with the old password"

    def the_server_begins_anew(self):
        """Empty, under the same address; another rollout has the number of the one that is halted."""
        folder = self.folder / "anew"
        folder.mkdir()
        self.new = servers.Hawkbit(folder)
        self.new.wait()
        api = hubs.Api(self.new.port, hubs.basic("admin", "admin"))
        world = types.SimpleNamespace(api=api, releases={}, rollout=lambda r: api.ok("GET", f"/rest/v1/rollouts/{r}"))
        api.ok("POST", "/rest/v1/targets", [{"controllerId": d, "name": d} for d in DEVICES])
        world.releases["lamp-3"] = type(self.w).release(world, "lamp-3")
        made = 0
        while made < self.rid:
            made = type(self.w).create(world, f"Lamp 3.{made}", "lamp-3", GROUPS, "pad-*")
        api.ok("POST", f"/rest/v1/rollouts/{made}/start")
        servers.wait_for("it runs", lambda: world.rollout(made)["status"] == "running", 30)
        log = len(self.said())
        self.api, self.door.to = api, self.new.port
        before = len(self.door.posts("/pause"))
        self.polls_more(5)
        assert len(self.door.posts("/pause")) == before and self.state() == "running", "an old halt pauses another rollout"
        for name in WATCHERS:
            row = next(r for r in self.json("get", "rollouts", config=self.configs[name])["rollouts"] if r["id"] == str(made))
            assert not row["halted"], (name, row)
        assert "another rollout" in self.said()[log:], self.said()[log:][-600:]

    def they_end_and_their_logs_verify(self):
        for tty in self.ttys.values():
            assert tty.end() in (0, 128 + signal.SIGTERM, -signal.SIGTERM), tty.out[-300:]
        self.ttys = {}
        self.guard.p.send_signal(signal.SIGTERM)
        assert self.guard.p.wait(15) in (0, 3), self.guard.tail()
        for name in WATCHERS:
            self.andon("audit", "verify", config=self.configs[name])

    def all(self):
        try:
            for step in (self.they_watch_a_rollout_that_runs, self.a_halt_in_one, self.is_seen_in_the_others, self.and_respected,
                         self.is_acknowledged_in_another, self.another_client_resumes, self.the_password_is_rotated,
                         self.the_server_begins_anew, self.they_end_and_their_logs_verify):
                self.check(step)
        finally:
            for tty in self.ttys.values():
                with contextlib.suppress(OSError):
                    tty.end(signal.SIGKILL)
            if self.guard:
                self.guard.stop()
            if self.new:
                self.new.proc.stop()
            self.door.stop()
