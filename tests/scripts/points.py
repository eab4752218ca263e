"""`andon halt` killed, or failed, at its system calls, one after the other (strace injects it), with the log well, full and
hung, beside a guard on the same log and without one. Used by test-kill-halt, and by later-kill-halt with strict=True.

What is begun: the halt's request or its entry has left the process, that is, a send of `POST .../pause`, or a write
with the entry's reason in it, has returned. A kill before that leaves nothing, and nothing may be known of it: the
server runs, there is no entry, no latch. A kill after it must leave the server paused, a trace in the log, and a latch.
A kill while such a call is under way on another thread may leave either.
The spool counts: the next command takes it in. Without `strict` a halt that was sent and left nothing is only counted
(killed in the moment between the request and the spool's write, on another thread), and one that is only written is not
waited for at the server: whoever watches does not take it over yet."""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading

import stub as stubs
from stub import Guard, Home, Stub

CALLS = ("write", "pwrite64", "sendto", "fdatasync", "connect", "openat", "rename", "recvfrom")
ERRORS = {"write": "ENOSPC", "pwrite64": "ENOSPC", "fdatasync": "EIO", "connect": "ECONNREFUSED", "openat": "EMFILE",
          "sendto": "ECONNRESET", "recvfrom": "ECONNRESET", "fcntl": "ENOLCK"}
LANES = 2


def every():
    """ANDON_POINTS: all, or every n-th point."""
    step = os.environ.get("ANDON_POINTS", "")
    return 1 if step == "all" else int(step) if step else None


class Watched(Stub):
    """The pauses that have arrived are counted."""

    def pauses(self):
        return self.verbs().count("pause")


class Lane:
    """A server, a home and perhaps a guard, on which one point after the other is tried."""

    def __init__(self, guarded, log):
        self.stub, self.log, self.n = Watched(), log, 0
        self.home = Home(self.stub)
        self.lock = None
        assert self.home.run("ack", "--all", "--yes").returncode == 0  # the log is there
        self.guard = Guard(self.home) if guarded else None
        if self.guard:
            self.guard.until("event=state rollout=1 state=running")

    def close(self):
        try:
            if self.guard:
                assert self.guard.p.poll() is None, ("the guard has ended", "".join(self.guard.said[-5:]))
                self.guard.p.kill()
                self.guard.p.wait()
        finally:
            self.stub.close()
            self.home.remove()

    def begin(self):
        """As before: it runs, nobody is latched."""
        self.n += 1
        assert self.home.run("ack", "--all", "--yes").returncode == 0
        self.stub.state = "running"
        if self.log == "hung":
            self.lock = sqlite3.connect(self.home.path / "audit" / "audit.db", isolation_level=None, check_same_thread=False)
            self.lock.execute("BEGIN IMMEDIATE")

    def release(self):
        if self.lock:
            self.lock.rollback()
            self.lock.close()
            self.lock = None

    def halt(self, *inject, calls=CALLS):
        """The halt under strace: (exit code, what strace saw, what it said)."""
        trace = self.home.path / "strace"
        full = ["-e", "inject=pwrite64:error=ENOSPC"] if self.log == "full" else []
        reason = f"point-{self.n}."
        r = subprocess.run(["strace", "-f", "-qq", "-s", "8192", "-o", str(trace), "-e", "trace=" + ",".join(calls),
                            *full, *inject, stubs.ANDON, "--config", str(self.home.config), "halt", "1", "--reason", reason],
                           env=self.home.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=120, check=False)
        return r.returncode, Trace(trace.read_text(errors="replace"), reason), r.stdout + r.stderr

    def entries(self):
        return [e for e in self.home.json("audit", "show", "--kind", "halt")["entries"] if e["reason"] == f"point-{self.n}."]


class Trace:
    """What strace saw. Calls that were cut in two lines are put together."""

    def __init__(self, text, reason):
        self.calls, open_of = [], {}
        for line in text.splitlines():
            m = re.match(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)", line)
            if not m:
                continue
            pid, resumed, name, rest = m.groups()
            if resumed:
                if pid in open_of:
                    open_of.pop(pid)[2] = rest
                continue
            call = [pid, name, rest, rest]
            if rest.endswith("<unfinished ...>"):
                call[2] = "= ?"
                open_of[pid] = call
            self.calls.append(call)
        self.reason = reason

    def count(self):
        """How often each call is made by the thread that makes it most: a point is a call's n-th time in a thread."""
        most = {}
        for name in {c[1] for c in self.calls}:
            most[name] = max(sum(c[1] == name and c[0] == pid for c in self.calls) for pid in {c[0] for c in self.calls})
        return most

    def done(self, what, *names):
        """A call whose arguments hold it has returned, and not with an error."""
        return any(name in names and what in args and re.search(r"= \d+", end) for _, name, end, args in self.calls)

    def under_way(self, call, n):
        """The process ended within such a call of another thread: what it wrote or sent may be there. The n-th `call` of
        a thread itself is killed before it does anything."""
        nth = {}
        for pid, name, end, args in self.calls:
            nth[pid, name] = nth.get((pid, name), 0) + 1
            if (name in ("sendto", "write", "pwrite64") and (name, nth[pid, name]) != (call, n)
                    and end.rstrip().endswith("= ?") and (self.reason in args or "/1/pause" in args)):
                return True
        return False

    def sent(self):
        return self.done("POST /rest/v1/rollouts/1/pause", "sendto", "write")

    def written(self):
        return self.done(self.reason, "write", "pwrite64")


def tried(lane, strict, point):
    """One kill; gives what became of it in a word."""
    call, n = point
    lane.begin()
    before = lane.stub.pauses()
    try:
        full = lane.log == "full" and call == "pwrite64"
        rc, trace, said = lane.halt("-e", f"inject={call}:" + ("error=ENOSPC:" if full else "") + f"signal=KILL:when={n}")
    finally:
        lane.release()
    arrived = lane.stub.pauses() > before
    assert rc in (-signal.SIGKILL, 137, 0, 1, 4, 5, 6, 7), (rc, said)
    # A guard on the same log may have taken over what is written.
    assert not arrived or trace.sent() or (lane.guard and trace.written()), "a request has arrived that never left"
    if not trace.sent() and not trace.written() and trace.under_way(call, n):
        return "killed within the call"
    if not trace.sent() and not trace.written():
        assert rc != 0, (rc, said)
        assert lane.stub.state == "running" and not lane.entries(), (lane.stub.state, lane.entries())
        r = lane.home.run("resume", "1", "--yes")
        assert r.returncode != 0 and b"halted" not in r.stderr, (r.returncode, r.stderr)
        return "not begun"
    if trace.sent():
        lane.stub.wait(lambda: lane.stub.state == "paused")
    elif strict:  # it is only written: who watches must have it, or the next command
        if not lane.guard:
            lane.home.run("get", "rollouts")
            again = Guard(lane.home)
            try:
                lane.stub.wait(lambda: lane.stub.state == "paused")
            finally:
                again.p.kill()
                again.p.wait()
        lane.stub.wait(lambda: lane.stub.state == "paused")
    r = lane.home.run("resume", "1", "--yes")  # it takes the spool in
    if not strict and not lane.entries():
        return "sent, no trace"
    if not strict and not trace.sent():
        return "written, not sent"
    assert r.returncode == 3 and b"ack" in r.stderr, ("no latch", r.returncode, r.stderr)
    assert lane.entries(), "no trace"
    assert lane.stub.state == "paused"
    return "had"


def failed(lane, strict, point):
    """One error instead of a kill: the halt is had, whatever fails; without the log it says so."""
    call, n = point
    lane.begin()
    rc, _, said = lane.halt("-e", f"inject={call}:error={ERRORS[call]}:when={n}", calls=tuple(ERRORS))
    lane.release()
    assert lane.stub.state == "paused" or rc != 0, (rc, said)
    if lane.stub.state != "paused":
        assert said.strip(), "it failed and said nothing"
        return f"exit {rc}"
    if strict:
        r = lane.home.run("resume", "1", "--yes")
        assert r.returncode == 3 and b"ack" in r.stderr, ("no latch", r.returncode, r.stderr)
        assert lane.entries(), "no trace"
    return "had"


def run(tally, name, one, log, guarded, strict, step):
    """All points, or each `step`-th, on LANES lanes side by side."""
    def case():
        lanes = [Lane(guarded, log) for _ in range(LANES)]
        found, wrong, lock = {}, [], threading.Lock()
        try:
            lanes[0].begin()
            rc, trace, said = lanes[0].halt(calls=tuple(ERRORS) if one is failed else CALLS)
            lanes[0].release()
            assert lanes[0].stub.state == "paused", (rc, said)
            points = [(c, i) for c, most in sorted(trace.count().items()) for i in range(1, most + 1)]
            points = points[::every() or step]

            def work(lane):
                while True:
                    with lock:
                        if not points:
                            return
                        point = points.pop(0)
                    try:
                        what = one(lane, strict, point)
                        with lock:
                            found.setdefault(what, []).append(point)
                    except Exception as e:  # whatever goes wrong, this point is wrong
                        with lock:
                            wrong.append((*point, f"{type(e).__name__}: {e}"[:400]))
            threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        finally:
            for lane in lanes:
                lane.close()
        print(f"{name}: " + ", ".join(f"{len(v)} {k}" for k, v in sorted(found.items())), flush=True)
        for k in ("sent, no trace", "written, not sent"):
            if k in found:
                print(f"    {k}: " + " ".join(f"{c}:{n}" for c, n in found[k]), flush=True)
        assert not wrong, f"{len(wrong)} points: {wrong[:6]}"
        assert sum(map(len, found.values())) > 3, found
    tally.case(name, case)


def all_of(tally, strict):
    if not shutil.which("strace"):
        raise SystemExit("strace is missing: scripts/deps test installs it")
    for log, step in (("well", 8), ("full", 16), ("hung", 16)):
        for guarded in (True, False):
            run(tally, f"killed, log {log}, {'beside a guard' if guarded else 'alone'}", tried, log, guarded, strict,
                step if guarded else 2 * step)
    run(tally, "failed, log well, beside a guard", failed, "well", True, strict, 20)
