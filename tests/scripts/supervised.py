"""A supervisor as packaging/andon-guard.service asks for, and a guard under it that dies at each page of telemetry. Used by
test-supervised."""
import pathlib
import re
import signal
import subprocess
import threading
import time

from stub import Home, Stub

UNIT = pathlib.Path(__file__).resolve().parents[2] / "packaging/andon-guard.service"
BOUND = 2.0   # seconds: what the unit promises
SLACK = 6.0   # and what a busy machine with sanitizers may add


def unit():
    """The settings of the unit that decide, as systemd reads them: a span without a unit is seconds."""
    said = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M))
    span = re.fullmatch(r"([\d.]+)(ms|s|)", said["RestartSec"])
    return said, float(span[1]) * (0.001 if span[2] == "ms" else 1)


class Supervisor:
    """What systemd does for Restart=always: whatever ends it, it is started again after RestartSec, for ever."""

    def __init__(self, home):
        self.home, self.rest = home, unit()[1]
        self.lines, self.cond = [], threading.Condition()
        self.stop, self.starts, self.deaths, self.p = threading.Event(), [], [], None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            p = self.home.popen("guard", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            with self.cond:
                self.p = p
                self.starts.append(time.monotonic())
                self.cond.notify_all()
            for line in p.stderr:
                with self.cond:
                    self.lines.append(line.decode(errors="replace"))
                    self.cond.notify_all()
            p.wait()
            with self.cond:
                self.deaths.append(p.returncode)
                self.cond.notify_all()
            self.stop.wait(self.rest)

    def kill(self, how=signal.SIGSEGV):
        with self.cond:
            if self.p and self.p.poll() is None:
                self.p.send_signal(how)

    def until(self, true, seconds=30):
        with self.cond:
            assert self.cond.wait_for(true, seconds), (self.deaths[-5:], "".join(self.lines[-8:]))

    def end(self):
        self.stop.set()
        self.kill(signal.SIGKILL)
        self.thread.join(30)


def deadly(guard, away):
    """The stub's answers: a page of telemetry ends the guard, and the fleet server may be away."""
    def fault(method, path):
        if path.startswith("/metrics"):
            if guard[0]:
                guard[0].kill()
            return "reset"
        return "reset" if away.is_set() else None
    return fault


def world(check):
    def run():
        stub = Stub()
        home = Home(stub, f"    telemetry: {{kind: openmetrics, url: \"http://127.0.0.1:{stub.port}/metrics\", interval: 1s}}\n")
        home.env["ASAN_OPTIONS"] += ":handle_segv=0"
        guard, away = [None], threading.Event()
        stub.fault = deadly(guard, away)
        try:
            assert home.run("ack", "--all", "--yes").returncode == 0  # the log is there
            guard[0] = Supervisor(home)
            check(stub, home, guard[0], away)
        finally:
            if guard[0]:
                guard[0].end()
            stub.close()
            home.remove()
    return run


def halted_while_away(stub, home, guard, away):
    """A person halts while the fleet server is away; then it is back. The seconds from then to the pause, and the number of
    lines that the guards had written before."""
    guard.until(lambda: len(guard.deaths) >= 2)
    away.set()
    r = home.run("halt", "1", "--reason", "smoke", "--timeout", "2s")
    assert r.returncode != 0 and stub.state == "running", (r.returncode, r.stdout, r.stderr)
    assert [e for e in home.json("audit", "show", "--kind", "halt")["entries"]]
    lines = len(guard.lines)
    away.clear()
    back = time.monotonic()
    stub.wait(lambda: stub.state == "paused")
    return back, lines
