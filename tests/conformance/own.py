"""Metrics of three users' own on a real Prometheus: free memory, radio retries and errors in a log, exported as node_exporter
does and scraped each 5 min, a day and more of it: by two jobs, with ports and in capitals, under a release as a label that
changes with the install, counters that begin again with each boot, one that is not there before its first event. The store
is stopped and started again while guards watch. Of two fleets on it one leaks, which must be halted and explained, and one
does not."""
import os
import pathlib
import sys
import time
import zlib

import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import fleet  # noqa: E402
import stub  # noqa: E402

HOUR, SCRAPE, SIZES = 3600, 300, (16, 24, 40)
TOLD = 3 * HOUR  # the canary was told so long ago
AHEAD = 600  # of what is scraped while this runs; a store does not show it before its time
POLICY = """\
limits: []
grace: 10m
window: 20m
install_time: 30m
evidence: {strata: [model]}
metrics:
  free-memory: {title: free memory, unit: B, kind: gauge, worse: down, window: 15m}
  radio-retries: {title: radio retries, kind: counter, levels: [10, 30, 100]}
  error-log: {title: an error in the log, kind: event}
"""
# Free memory is the preset's. Errors: a device that has had none yet has no such series.
QUERIES = ("{radio-retries: app_radio_retries_total, "
           "error-log: 'max by ($label) (app_errors_total) or max by ($label) (0 * up)'}")


class Users(fleet.Fleet):
    """80 devices; the canary is on the new release for three hours. `leak`: it loses memory there."""
    def __init__(self, prefix, now, leak):
        super().__init__(10**6)
        self.prefix, self.now, self.t0, self.leak = prefix, now, now - TOLD, leak

    def ids(self, wave):
        first = sum(SIZES[:wave])
        return [f"{self.prefix}-{i:03d}" for i in range(first, first + SIZES[wave])]

    # --- what its devices export ---

    def noise(self, *what):
        return zlib.crc32(repr((self.prefix, *what)).encode()) * 2654435761 % 2**32 / 2**32 - 0.5

    def installed(self, n):
        return self.t0 + 60 + n * 7 if n < SIZES[0] else None

    def booted(self, n, t):
        """Its last boot: an install's own, one of its own in the day before or since, or long ago."""
        own = self.now - 20 * HOUR + n * 600 if n % 11 == 3 else None
        boots = [b for b in (own, self.installed(n)) if b and b + 20 <= t]
        return max(boots) + 20 if boots else self.now - 40 * HOUR - n

    def sample(self, n, t):
        boot, since = self.booted(n, t), max(0, t - (self.installed(n) or t))
        free = 2e8 * (1 + 0.4 * self.noise(n)) * (1 + 0.06 * self.noise(n, t))
        if self.leak:
            free *= 1 - 0.65 * min(1, since / (1.5 * HOUR))
        retries = int((t - boot) / HOUR * (0.6 + 0.4 * self.noise(n, "retries")) + 0.5)
        errors = sum(t > self.now - 22 * HOUR + k * 5 * HOUR + n * 500 for k in range(2)) if n % 7 == 2 else 0
        return {"node_boot_time_seconds": boot, "node_memory_MemAvailable_bytes": round(free), "app_radio_retries_total": retries,
                'node_cpu_seconds_total{mode="idle"}': round((t - boot) * (0.8 + 0.02 * self.noise(n)), 3),
                "app_errors_total": errors or None, "up": 1}

    def history(self):
        out = []
        for n, d in enumerate(d for w in range(3) for d in self.ids(w)):
            for k, job in enumerate(("node", "node-ha")):
                first = self.now - 26 * HOUR + (n * 37 + k * 131) % SCRAPE
                for t in range(first, self.now + AHEAD, SCRAPE):
                    new = self.installed(n) and t >= self.installed(n)
                    labels = f'instance="{d.upper()}:9100",job="{job}"'
                    for name, v in self.sample(n, t).items():
                        name, _, more = name.partition("{")
                        release = f',fw="{"2.0" if new else "1.0"}"' if name in ("node_boot_time_seconds", "app_radio_retries_total") else ""
                        if v is not None and (k == 0 or not more):
                            out.append(f"{name}{{{labels}{release}{',' + more.rstrip('}') if more else ''}}} {v} {t}")
        return out


def with_fleet(prefix, now, leak, url):
    """The fleet's server, and a home that watches it."""
    server = Users(prefix, now, leak)
    plain = server.answer

    def answer(method, path):
        if method == "GET" and path == "/rest/v1/targets":
            devices = [d for w in range(3) for d in server.targets(w)]
            return server.http(200, {"content": devices, "total": len(devices), "size": len(devices)})
        return plain(method, path)
    server.fault, server.answer = fleet.asked(server), answer
    home = stub.Home(server, "    policy: policy.yaml\n    telemetry:\n      kind: prometheus\n"
                     f"      url: {url}\n      preset: node_exporter\n      interval: 5m\n      timeout: 10s\n"
                     f"      join: {{strip_port: true, lower: true}}\n      metrics: {QUERIES}\n")
    (home.path / "policy.yaml").write_text(POLICY)
    os.chmod(home.path / "policy.yaml", 0o600)
    return server, home


def tests(home):
    return [t for w in home.json("explain", "1")["waves"] for t in w["tests"]]


class Run:
    def __init__(self):
        fleet.SIZES = SIZES
        self.now = int(time.time())
        folder = servers.scratch()
        port = servers.free_port()
        self.prom = None
        self.good, self.good_home = with_fleet("hub", self.now, False, f"http://127.0.0.1:{port}")
        self.leaking, self.home = with_fleet("cam", self.now, True, f"http://127.0.0.1:{port}")
        past = "\n".join(self.good.history() + self.leaking.history()) + "\n# EOF\n"
        self.prom = servers.Prometheus(folder, {}, past, port)
        self.prom.wait()

    def doctor_finds_them(self):
        r = self.home.json("doctor")["checks"]
        said = [(c["result"], c["text"]) for c in r if "telemetry" in c["subject"]]

        def says(result, *words):
            assert any(k == result and all(w in t for w in words) for k, t in said), (result, words, said)
        for what in ("reboots", "free-memory", "radio-retries", "error-log"):
            says("ok", f"{what}: ", "figures of 80 of the 80 devices")
        says("ok", "free-memory: e.g. cam-", '"instance":"CAM-')
        says("note", "radio-retries: 80 devices have several series")
        assert not any(k == "fail" for k, _ in said), said

    def nothing_is_wrong_with_the_good_one(self):
        guard = stub.Guard(self.good_home)
        try:
            servers.wait_for("the tests of the good fleet", lambda: tests(self.good_home), 60, 0.5)
            self.prom.stop()
            self.prom.start()
            self.prom.wait()
            t = tests(self.good_home)
            words = {x["test"] for x in t}
            assert {"free-memory-down", "free-memory-down-1.5", "radio-retries-loop", "radio-retries-30", "error-log"} <= words, words
            wrong = [x for x in t if x["evidence"] >= x["to_pause"]]
            assert not wrong, wrong
            mine = {x["test"]: (x["canaries_of"], x["others_of"]) for x in t if x["test"].startswith(("free", "radio", "error"))}
            assert set(mine.values()) == {(16, 64)}, mine
            assert not self.good.verbs(), self.good.verbs()
        finally:
            assert guard.end() == 0

    def a_leak_is_halted_and_explained(self):
        self.prom.stop()
        guard = stub.Guard(self.home)  # it begins without its store
        try:
            guard.until(r"telemetry.*no connection", seconds=30)
            self.prom.start()
            guard.until(r"event=halt rollout=1 phase=(shown|sending)", seconds=90)
            self.leaking.wait_post(30)
        finally:
            assert guard.end() == 0
        entry = self.home.json("audit", "show", "--kind", "halt")["entries"][0]
        r = self.home.run("audit", "replay", str(entry["seq"]))
        out = r.stdout.decode()
        assert r.returncode == 0 and "AGREES" in out and "free-memory-down" in out, (r.returncode, out, r.stderr)
        text = self.home.run("explain", "1").stdout.decode()
        assert "free memory" in text and "HALT" in text.upper(), text
        others = [x for x in tests(self.home) if not x["test"].startswith("free-memory") and x["evidence"] >= x["to_pause"]]
        assert not others, others


def run(program, tally):
    stub.ANDON = program
    r = Run()
    try:
        for case in (r.doctor_finds_them, r.nothing_is_wrong_with_the_good_one, r.a_leak_is_halted_and_explained):
            tally.case(f"three users' metrics: {case.__name__.replace('_', ' ')}", case)
    finally:
        r.prom.stop()
        for s in (r.good, r.leaking):
            s.close()
        if not os.environ.get("ANDON_KEEP"):
            r.home.remove()
            r.good_home.remove()


if __name__ == "__main__":
    T = stub.Tally()
    run(os.path.abspath(sys.argv[1]), T)
    T.end()
