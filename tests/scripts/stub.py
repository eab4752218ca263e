"""A stand-in for a hawkBit server on raw sockets, that can lie, stall, reset and send what is not HTTP; and a way to run
andon against it. Used by the test-* programs in this folder; not a fleet: for that there is the drill."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

ANDON = os.environ.get("ANDON") or str(pathlib.Path(__file__).resolve().parents[2] / "build/asan/andon")


def page(items):
    return {"content": items, "total": len(items), "size": len(items)}


def counts(**kw):
    return {**dict.fromkeys(("running", "notstarted", "scheduled", "cancelled", "finished", "error"), 0), **kw}


class Stub:
    """One rollout (id 1) of three waves over 12 devices. `state` is what the server shows; verbs change it unless a
    fault says otherwise. `fault(method, path) -> bytes | callable | "reset" | "stall" | None` may answer in its place; a
    callable gives the pieces of a long answer."""

    def __init__(self):
        self.state, self.waves = "running", ["running", "scheduled", "scheduled"]
        self.name, self.version, self.device = "cam 2.0", "2.0", "cam-{:02d}"
        self.fault = lambda method, path: None
        self.on_verb = lambda verb: True  # False: the verb is not carried out
        self.seen, self.lock, self.closing = [], threading.Lock(), threading.Event()
        self.posted = threading.Condition(self.lock)
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.closing.set()
        self.sock.close()

    def verbs(self):
        with self.lock:
            return [p.rsplit("/", 1)[1] for m, p in self.seen if m == "POST" and "/rollouts/1/" in p]

    def wait_post(self, seconds=30, count=1):
        """Waits until so many verbs have arrived."""
        self.wait(lambda: sum(m == "POST" and "/rollouts/1/" in p for m, p in self.seen) >= count, seconds)

    def wait(self, true, seconds=30):
        """Waits until it is so; looked at with each request."""
        with self.posted:
            assert self.posted.wait_for(true, seconds), f"it did not come to that; last: {self.seen[-5:]}"

    def accept(self):
        while not self.closing.is_set():
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        data = b""
        with conn:
            while not self.closing.is_set():
                try:
                    while b"\r\n\r\n" not in data:
                        more = conn.recv(65536)
                        if not more:
                            return
                        data += more
                    head, data = data.split(b"\r\n\r\n", 1)
                    method, path = head.split(b"\r\n")[0].decode("latin1").split(" ")[:2]
                    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
                    while len(data) < length:
                        data += conn.recv(65536)
                    data = data[length:]
                    with self.posted:
                        self.seen.append((method, path.split("?")[0]))
                        self.posted.notify_all()
                    out = self.fault(method, path)
                    if out is None:
                        out = self.answer(method, path.split("?")[0])
                    if out == "stall":
                        self.closing.wait(60)
                        return
                    if out == "reset":
                        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    for piece in out() if callable(out) else (out,):
                        conn.sendall(piece)
                    if callable(out) or b"onnection: close" in out:
                        return
                except OSError:
                    return

    @staticmethod
    def http(status, body=b"", ctype="application/hal+json", extra=b""):
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=True).encode()
        return (f"HTTP/1.1 {status} X\r\nContent-Type: {ctype}\r\nContent-Length: {len(body)}\r\n".encode() + extra + b"\r\n" + body)

    def rollout(self):
        return {"id": 1, "name": self.name, "description": self.name, "status": self.state, "distributionSetId": 2,
                "targetFilterQuery": "controllerId==*", "totalTargets": 12, "totalGroups": 3, "deleted": False,
                "createdAt": 1795231727629, "createdBy": "admin", "lastModifiedAt": 1795231728654, "type": "forced",
                "totalTargetsPerStatus": counts(running=4, scheduled=8),
                "_links": {"distributionset": {"href": "http://127.0.0.1/rest/v1/distributionsets/2", "name": "cam:" + self.version}}}

    def groups(self):
        cond = {"condition": "THRESHOLD", "expression": "50"}
        return [{"id": 10 + i, "name": f"w{i}", "description": "", "status": s, "totalTargets": 4, "createdAt": 1, "lastModifiedAt": 1,
                 "successCondition": cond, "successAction": {"action": "NEXTGROUP", "expression": ""}, "errorCondition": cond,
                 "errorAction": {"action": "PAUSE", "expression": ""}, "targetFilterQuery": "", "targetPercentage": 33.3,
                 "totalTargetsPerStatus": counts(running=4) if s == "running" else counts(scheduled=4)} for i, s in enumerate(self.waves)]

    def targets(self, wave):
        return [{"controllerId": self.device.format(wave * 4 + i), "name": self.device.format(wave * 4 + i), "updateStatus": "pending",
                 "createdAt": 1, "lastModifiedAt": 1, "securityToken": "SECRET-TOKEN"} for i in range(4)]

    def ds(self, n):
        return {"id": n, "name": "cam", "version": "1.0" if n == 1 else self.version, "complete": True, "deleted": False, "type": "os", "modules": []}

    def verb(self, verb):
        need = {"start": ("ready",), "pause": ("running",), "resume": ("paused",), "stop": ("running", "paused"),
                "triggerNextGroup": ("running",)}
        if verb not in need:
            return self.http(404, {"timestamp": "x", "status": 404, "error": "Not Found"})
        if self.state not in need[verb]:
            return self.http(400, {"errorCode": "hawkbit.server.error.rollout.illegalState", "exceptionClass": "x", "message": "state"})
        if self.on_verb(verb):
            self.carry_out(verb)
        return self.http(204)

    def carry_out(self, verb):
        self.state = {"start": "running", "pause": "paused", "resume": "running", "stop": "stopped"}.get(verb, self.state)
        if verb in ("start", "triggerNextGroup") and "scheduled" in self.waves:
            self.waves[self.waves.index("scheduled")] = "running"

    def answer(self, method, path):
        parts = path.split("/")[3:]
        if method == "POST" and len(parts) == 3 and parts[0] == "rollouts":
            if parts[1] != "1":
                return self.http(404, {"errorCode": "hawkbit.server.error.repo.entityNotFound", "exceptionClass": "x", "message": "no"})
            return self.verb(parts[2])
        if method != "GET":
            return self.http(405, {"timestamp": "x", "status": 405, "error": "no"})
        if parts == ["rollouts"]:
            return self.http(200, page([self.rollout()]))
        if parts == ["rollouts", "1"]:
            return self.http(200, self.rollout())
        if parts == ["rollouts", "1", "deploygroups"]:
            return self.http(200, page(self.groups()))
        if len(parts) == 4 and parts[2] == "deploygroups":
            return self.http(200, self.groups()[int(parts[3]) - 10])
        if len(parts) == 5 and parts[4] == "targets":
            return self.http(200, page(self.targets(int(parts[3]) - 10)))
        if parts == ["userinfo"]:
            return self.http(200, {"tenant": "DEFAULT", "username": "admin"})
        if parts[0] == "distributionsets":
            return self.http(200, self.ds(int(parts[1])) if len(parts) == 2 else page([self.ds(1), self.ds(2)] if len(parts) == 1 else []))
        if parts[0] in ("actions", "targetfilters", "targets"):
            return self.http(200, page([]))
        return self.http(404, {"timestamp": "x", "status": 404, "error": "Not Found"})


class Home:
    """A private home with a configuration for one stub."""

    def __init__(self, stub, extra=""):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="andon-test-"))
        self.config = self.path / "config.yaml"
        (self.path / "secret").write_text("hunter2-secret\n")
        self.config.write_text(f"fleets:\n  - name: cams\n    kind: hawkbit\n    url: http://127.0.0.1:{stub.port}\n    user: admin\n"
                               f"    secret: {{file: {self.path}/secret}}\n    environment: test\n    poll: 1s\n    timeout: 2s\n{extra}"
                               f"audit:\n  db: {self.path}/audit/audit.db\n  key: {self.path}/key/audit.key\n")
        for f in ("secret", "config.yaml"):
            os.chmod(self.path / f, 0o600)
        self.env = {"HOME": str(self.path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color",
                    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}

    def popen(self, *args, **kw):
        return subprocess.Popen([ANDON, "--config", str(self.config), *args], env=self.env, stdin=subprocess.DEVNULL, **kw)

    def run(self, *args, seconds=60):
        return subprocess.run([ANDON, "--config", str(self.config), *args], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, check=False)

    def json(self, *args):
        r = self.run(*args, "-o", "json")
        assert r.returncode == 0, (args, r.returncode, r.stdout[-500:], r.stderr[-500:])
        return json.loads(r.stdout)

    def remove(self):
        shutil.rmtree(self.path, True)


class Tty:
    """andon on a pseudo-terminal. What it writes is kept in `out`; with ANDON_FENCE it says how many keys it has handled."""

    def __init__(self, home, *args, rows=30, cols=100):
        self.out = b""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(ANDON, [ANDON, "--config", str(home.config), *args], {**home.env, "ANDON_FENCE": "1"})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self, seconds):
        """One piece of output; False when there is none in time, or when it has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b""
        self.out += more
        return bool(more)

    def until(self, what, since=0, seconds=30):
        end = time.monotonic() + seconds
        while what not in self.out[since:]:
            assert self.read(max(0, end - time.monotonic())), f"no {what!r}; last: {self.out[-300:]!r}"

    def send(self, data):
        """Writes it all, reading meanwhile, for neither side may wait for the other."""
        while data:
            readable, writable, _ = select.select([self.fd], [self.fd], [], 30)
            assert readable or writable, "the console takes no input"
            if readable:
                assert self.read(0), f"the console ended; last: {self.out[-600:]!r}"
            if writable:
                data = data[os.write(self.fd, data[:512]):]

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def handled(self, seconds=60):
        """Waits until a last key has been handled after all that was sent before."""
        self.until(b";k=", seconds=seconds)
        def keys():
            return int(self.out[self.out.rindex(b";k=") + 3:].split(b";")[0] or 0) if self.out.rindex(b";k=") + 8 < len(self.out) else 0
        was, end = -1, time.monotonic() + seconds
        while keys() != was:  # all that was read before it is counted before it
            was = keys()
            self.send(b"\x0c")
            while keys() == was and time.monotonic() < end:
                assert self.read(max(0, end - time.monotonic())), f"the console ended; last: {self.out[-600:]!r}"
            if keys() == was + 1:
                return
        raise AssertionError(f"keys are not handled: {keys()}")

    def end(self, how=signal.SIGTERM):
        """Ends it; the exit status as a shell would give it."""
        os.kill(self.pid, how)
        while self.read(30):
            continue
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status


class Guard:
    """A guard, and the lines that it writes."""

    def __init__(self, home):
        self.p = home.popen("guard", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.said, self.cond, self.ended = [], threading.Condition(), False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.p.stderr:
            with self.cond:
                self.said.append(line.decode())
                self.cond.notify_all()
        with self.cond:
            self.ended = True
            self.cond.notify_all()

    def until(self, pattern, since=0, seconds=60):
        """Waits for a line; gives its number."""
        def at():
            return next((i for i, s in enumerate(self.said[since:], since) if re.search(pattern, s)), None)
        with self.cond:
            assert self.cond.wait_for(lambda: self.ended or at() is not None, seconds) and at() is not None, \
                (pattern, "".join(self.said[-8:]))
            return at() + 1

    def end(self):
        self.p.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        rc = self.p.wait(30)
        assert time.monotonic() - begun < 15, "it took too long to end"
        return rc


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def case(self, name, fn):
        try:
            fn()
            self.passed += 1
        except Exception as e:  # whatever goes wrong, the case has failed
            self.failed += 1
            print(f"FAIL {name}: {type(e).__name__}: {e}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        raise SystemExit(1 if self.failed else 0)
