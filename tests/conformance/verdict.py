"""The verdict on a real hawkBit and a real Prometheus: a rollout over devices with history, watched by two guards and a
console, each with a home of its own. Prometheus goes and comes back, a guard is killed, the console comes late, and while
half of the canary falls into a crash loop the other guard is cut off from Prometheus; all must come to the same
evidence, to the last bit, and halt by the same test."""
import calendar
import os
import pathlib
import signal
import subprocess
import sys
import time
import types
import urllib.request

import servers
import steps

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import stub  # noqa: E402: the terminal to run a console on

POLICY = """\
limits: []
window: 60s
grace: 5s
install_time: 30m
lost_telemetry: {react: pause, after: 8s, resume: true}
evidence: {strata: [model, site]}
"""
TITLE, RELEASE = "Hub 3.0", "3.0"
GROUPS = [("canary", 20), ("early", 50), ("rest", 100)]  # 12, 24 and 24 of 60
WATCHERS = ("first", "killed", "console")


def instant(iso):
    """ms since the epoch of a time in andon's JSON."""
    whole, _, rest = iso.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1000 + int((rest + "000")[:3])


class Verdict(steps.Steps):
    def __init__(self, program, world, folder):
        folder = pathlib.Path(folder) / "verdict"
        folder.mkdir()
        super().__init__(program, world, folder, POLICY)
        self.link = servers.Link(world.prom.port)
        self.configs = {n: self.configure(n, world.url, world.user, world.password, home=n, telemetry={
            **world.telemetry, "url": f"http://127.0.0.1:{self.link.port if n == 'first' else world.prom.port}"})
                        for n in WATCHERS}
        self.know_each_other(self.configs)
        self.guards, self.tty, self.rollout, self.minute = {}, None, None, 0

    # --- the watchers ---

    def guard(self, name, *args):
        n = sum(g.log.exists() for g in self.guards.values())
        self.guards[name] = servers.Process(f"guard-{name}-{n}", [
            self.program, "--config", str(self.configs[name]), "guard", *args], self.folder)

    def console(self):
        stub.ANDON = self.program
        self.tty = stub.Tty(types.SimpleNamespace(config=self.configs["console"], env={
            **os.environ, "HOME": str(self.folder / "console"), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}))
        self.tty.until(TITLE.encode())

    def alive(self):
        """All who watch live; what the console draws is read, or it would wait for us."""
        while self.tty and self.tty.read(0):
            continue
        return all(g.alive() for g in self.guards.values())

    def same_minute(self, names):
        """Waits until all have kept the state of the same whole minute; gives the states."""
        got = []

        def same():
            got[:] = [self.alive() and self.kept(self.rollout, n) for n in names]
            return all(got) and len({k.tick for k in got}) == 1 and got[0].tick > self.minute
        try:
            servers.wait_for("the same minute in all states", same, 130)
        except TimeoutError as e:
            raise AssertionError(f"{e}: {[k and k.tick / 60e6 for k in got]}") from e
        self.minute = got[0].tick
        return got

    def explain(self, name):
        return self.json("explain", self.rollout, config=self.configs[name])

    def tests(self, explained, wave=0):
        return {t["test"]: t for t in explained["waves"][wave]["tests"]}

    def entries(self, name, kind):
        shown = self.json("audit", "show", "--kind", kind, "--rollout", self.rollout, config=self.configs[name])
        return shown["entries"]

    def page(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.w.guard_port}/metrics", timeout=5) as r:
            return r.read().decode()

    def figure(self, name, wave=None):
        """A figure of the rollout on the first guard's page."""
        for line in self.page().splitlines():
            if line.startswith(name + "{") and f'rollout="{self.rollout}"' in line and (
                    wave is None or f'wave="{wave}"' in line):
                return float(line.rsplit(" ", 1)[1])
        return None

    def state(self):
        return self.w.rollout(self.rollout)["status"]

    # --- the steps, in order ---

    def devices_tell_what_they_are(self):
        hubs = self.w.hubs
        self.w.api.ok("POST", "/rest/v1/targets", [{"controllerId": n, "name": n} for n in hubs])
        self.w.fleet.bad, self.w.fleet.loops, self.w.fleet.devices = RELEASE, set(), hubs
        servers.wait_for("the devices' attributes",
                         lambda: all(self.w.attributes(n) == d.attributes for n, d in hubs.items()), 30, 0.5)

    def two_guards_watch_a_rollout(self):
        self.w.releases[RELEASE] = self.w.release(RELEASE)
        self.rollout = str(self.w.create(TITLE, RELEASE, GROUPS, "hub-*"))
        self.canary = self.w.members(0, self.rollout)
        assert len(self.canary) == 12 and self.w.restless not in self.canary, self.canary
        # One never answers, so that the wave stays open.
        self.silent = next(d for d in self.canary if not self.like(d, self.w.restless))
        self.w.fleet.hold = {self.silent}
        self.guard("first", "--metrics", f"127.0.0.1:{self.w.guard_port}")
        self.guard("killed")
        self.andon("start", self.rollout, "--yes", config=self.configs["first"])
        servers.wait_for("the canaries' installs", lambda: self.alive() and sum(
            self.w.installed(d) == RELEASE for d in self.canary) == 11, 60)
        self.watched = time.monotonic()

    def like(self, a, b):
        return self.w.hubs[a].attributes == self.w.hubs[b].attributes

    def the_trial_is_live(self):
        x = servers.wait_for("canaries that count", lambda: (
            lambda x: x if x["trial"]["state"] == "live" and x["waves"][0]["canaries"] == 11 else None)(
                self.explain("first")), 60, 1)
        assert instant(x["trial"]["start"]) == self.w.told_at(self.canary[0]), x["trial"]
        tests = self.tests(x)
        # Who restarted in the hour before is not at risk of a crash loop. (CPU is judged by whole windows of five
        # minutes: that is longer than this takes.)
        loop, silent = (tests[t] for t in ("crash-loop", "silence"))
        assert loop["canaries_of"] == silent["canaries_of"] == 11, (loop, silent)
        assert loop["others_of"] + 1 == silent["others_of"] >= 30, (loop, silent)

    def prometheus_watches_the_guard(self):
        servers.wait_for("a scrape of the guard", lambda: self.w.prom.ask('up{job="guard"} == 1'), 20)
        query = f'andon_evidence_log10{{rollout="{self.rollout}",wave="0",test="crash-loop"}}'
        servers.wait_for("the evidence", lambda: self.w.prom.ask(query), 20)
        assert self.w.prom.ask(f'andon_trial_state{{rollout="{self.rollout}",state="live"}} == 1')
        r = subprocess.run(["promtool", "check", "metrics"], input=self.page(), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        assert r.returncode == 0 and not r.stdout, r.stdout

    def lost_telemetry_holds_and_halts(self):
        assert self.figure("andon_wave_reaction", 0) == 0 and self.figure("andon_wave_data_missing", 0) == 0
        # Who has watched for less than 15 s does nothing yet for want of data (core/verdict.h).
        servers.wait_for("a watch of 15 s", lambda: self.alive() and time.monotonic() - self.watched > 17, 30)
        began = time.monotonic()
        self.w.prom.stop()
        servers.wait_for("the hold", lambda: self.figure("andon_wave_reaction", 0) == 2, 15)
        assert self.figure("andon_wave_data_missing", 0) == 1 and self.figure("andon_rollout_latched") == 0
        servers.wait_for("the halt", lambda: self.alive() and self.figure("andon_rollout_latched") == 1, 30)
        assert time.monotonic() - began > 5 and self.state() == "paused", self.state()

    def telemetry_comes_back(self):
        self.w.prom.start()
        self.w.prom.wait()
        servers.wait_for("the resume", lambda: self.alive() and self.state() == "running", 40)
        servers.wait_for("an all-clear", lambda: self.figure("andon_wave_data_missing", 0) == 0, 10)
        servers.wait_for("its own halt lifted", lambda: self.figure("andon_rollout_latched") == 0, 20)
        for name in WATCHERS[:2]:
            actors = {e["actor"] for kind in ("halt", "ack") for e in self.entries(name, kind)}
            assert actors == {"LOST-TELEMETRY"}, actors

    def two_guards_agree(self):
        first, second = self.same_minute(WATCHERS[:2])
        assert first.bytes == second.bytes

    def one_is_killed_and_the_console_comes_late(self):
        self.guards["killed"].p.kill()
        self.guards["killed"].p.wait()
        self.guard("killed")
        self.console()

    def a_crash_loop_halts(self):
        """The guard that is cut off reads it from history afterwards."""
        self.link.cut()
        self.looping = [d for d in self.canary if self.like(d, self.silent) and d != self.silent]
        self.w.fleet.looping = {*self.looping, self.w.restless}
        servers.wait_for("the halt", lambda: self.alive() and self.state() == "paused", 60)
        assert self.w.waves(self.rollout)[1]["status"] in ("scheduled", "ready"), "the second wave was told"
        assert {e["actor"] for e in self.entries("first", "halt")} == {"LOST-TELEMETRY"}, "it saw what it was cut off from"
        self.link.mend()
        self.halts = {}
        for name in WATCHERS:
            halt = servers.wait_for("the halt's entry", lambda n=name: [
                e for e in self.entries(n, "halt") if e["actor"] in ("crash-loop", "reboot-1")], 20)
            self.halts[name] = halt[0]

    def all_agree(self):
        states = self.same_minute(WATCHERS)
        assert states[0].bytes == states[1].bytes == states[2].bytes, [len(s.bytes) for s in states]
        shown = []
        # The server picks the canaries: where most of them are of this model, that the bad ones share it is no news.
        telling = len(self.looping) <= 6

        def explained():  # who carries it is told when the history has been read up to now, what they share with it
            shown[:] = [self.explain(n) for n in WATCHERS]
            return all(set(x["waves"][0]["carriers"]) == set(self.looping) and (x["waves"][0]["shared"] or not telling) for x in shown)
        servers.wait_for("the carriers in all explanations", explained, 30)
        tests = [self.tests(x)["crash-loop"] for x in shown]
        same = ("canaries", "canaries_of", "others", "others_of", "log_evidence", "crossed_at", "reaction")
        assert len({tuple(t[k] for k in same) for t in tests}) == 1, tests
        assert (tests[0]["canaries"], tests[0]["others"], tests[0]["reaction"]) == (len(self.looping), 0, "pause"), tests[0]
        for x in shown:
            assert set(x["waves"][0]["carriers"]) == set(self.looping), {k: v for k, v in x.items() if k != "limits"}
            assert not telling or ("model", self.w.hubs[self.silent].attributes["model"]) in {(s["key"], s["value"]) for s in x["waves"][0]["shared"]}, x["waves"][0]["shared"]

    def the_log_recomputes_the_halt(self):
        """Who heard of another's halt by its note before it saw the evidence has that one, which is decided elsewhere."""
        decided = [n for n in WATCHERS if "from.log" not in self.halts[n]["fields"]]
        assert decided, self.halts
        for name in decided:
            halt = self.halts[name]
            r = self.json("audit", "replay", str(halt["seq"]), config=self.configs[name])
            assert r["agrees"] and r["test"] == halt["actor"], r
        assert {self.halts[n]["corr"] for n in WATCHERS} == {self.halts[n]["corr"] for n in decided}, self.halts

    def the_policy_would_have_halted_it_again(self):
        r, = self.json("policy", "test", str(self.folder / "policy.yaml"), "--history", "cams", "--rollout",
                       self.rollout, config=self.configs["first"])["rollouts"]
        assert r["halted_by"] == "LOST-TELEMETRY" and r["told_by_then"] == 12, r
        # It was cut off twice, and may have halted for that each time.
        # What the others have halted stands in its log too, by their notes.
        happened = {h["actor"] for h in r["happened"]}
        assert happened == {"LOST-TELEMETRY", *(h["actor"] for h in self.halts.values())}, r["happened"]
        crossed = min(t["crossed_at"] for t in self.tests(self.explain("first")).values() if t["crossed_at"])
        by = next(c for c in r["changes"] if c["rule"] == self.halts["first"]["actor"])
        assert by["verdict"] == "pause" and by["time"] == crossed, (by, crossed)

    def the_next_wave(self):
        """Acknowledged and resumed, the next wave is told much later than its actions were made."""
        for name in ("killed", "console"):
            self.end(name)
        self.w.fleet.looping = set()
        for _ in range(5):  # each of the others has halted it too; nobody here knows their keys
            self.andon("ack", self.rollout, "--yes", config=self.configs["first"], expect=(0, 3))
            resumed = self.andon("resume", self.rollout, "--yes", config=self.configs["first"], expect=(0, 3))
            if resumed.returncode == 0:
                break
        assert resumed.returncode == 0, resumed.stderr
        second = self.w.members(1, self.rollout)
        self.w.fleet.hold = {second[-1]}
        servers.wait_for("the second wave", lambda: self.alive() and self.w.waves(self.rollout)[1]["status"] in (
            "running", "finished"), 60)
        x = servers.wait_for("its stage", lambda: (lambda x: x if x["trial"]["wave"] == 1 else None)(
            self.explain("first")), 60, 1)
        assert x["trial"]["state"] == "live", x["trial"]
        self.end("first")
        kept = self.kept(self.rollout, "first")
        told = [1000 * self.w.told_at(d) for d in (self.canary[0], second[0])]
        assert kept.told[:2] == told and told[1] - told[0] > 20e6, (kept.told, told)
        for d, dev in self.w.hubs.items():
            assert set(kept.devices[d][2]) == set(dev.attributes.values()), (d, kept.devices[d])

    def end(self, name):
        """Ended as a service is, or a terminal that is closed."""
        if name == "console":
            tty, self.tty = self.tty, None
            assert tty.end() in (0, 128 + signal.SIGTERM, -signal.SIGTERM), tty.out[-300:]
            return
        guard = self.guards.pop(name)
        guard.p.send_signal(signal.SIGTERM)
        assert guard.p.wait(15) == 0, guard.tail()

    def all(self):
        try:
            for step in (self.devices_tell_what_they_are, self.two_guards_watch_a_rollout, self.the_trial_is_live,
                         self.prometheus_watches_the_guard, self.lost_telemetry_holds_and_halts,
                         self.telemetry_comes_back, self.two_guards_agree,
                         self.one_is_killed_and_the_console_comes_late, self.a_crash_loop_halts, self.all_agree,
                         self.the_log_recomputes_the_halt, self.the_policy_would_have_halted_it_again,
                         self.the_next_wave):
                self.check(step)
        finally:
            for guard in self.guards.values():
                guard.stop()
            if self.tty:
                self.tty.end(signal.SIGKILL)
            self.link.stop()
