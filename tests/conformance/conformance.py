#!/usr/bin/env python3
"""conformance.py PROGRAM [drill|real|watchers|labels|filters|inventory|backends|story ...]: one rollout in waves, watched, paused, resumed, advanced, halted by a person
and by a rule, rolled back, verified device by device; the same steps on the drill's server and on a real hawkBit with a
real Prometheus. Then the two servers' answers to the same requests are compared (probes.py).

Where the two servers differ, the step says so with `self.differs(REASON)`: true on the real, older one. Each reason is
printed once."""
import os
import signal
import subprocess
import sys
import time

import backends
import filters
import inventory
import labels
import probes
import servers
import steps
import story
import verdict
import watchers
import worlds

POLICY = """\
window: 60s
grace: 2s
install_time: 60s
rollback_to: previous
drain: 5s
evidence: {tests: dry-run}
limits:
  - id: R-REBOOT
    metric: reboots
    relative_to: control
    above: 3
    for: 3s
    min_devices: 3
    on_breach: pause
"""


class Run(steps.Steps):
    def __init__(self, program, world, folder):
        super().__init__(program, world, folder, POLICY)
        self.guard, self.told = None, []

    def rid(self):
        return str(self.w.rollout_id)

    def row(self):
        return next(r for r in self.json("get", "rollouts")["rollouts"] if r["id"] == self.rid())

    # --- the steps, in order ---

    def doctor(self):
        r = self.andon("doctor")
        assert "0 failed" in r.stdout and "rollouts can be read" in r.stdout, r.stdout
        assert ("cannot stop a rollout for good" in r.stdout) == self.differs("0.3 has no stop"), r.stdout

    def doctor_names_what_is_wrong(self):
        wrong = self.configure("wrong", self.w.url, self.w.user, "not-the-password")
        r = self.andon("doctor", config=wrong, expect=4)
        assert "refuses the credentials" in r.stdout and "-> check `user` and the secret" in r.stdout, r.stdout
        assert "not-the-password" not in r.stdout + r.stderr
        closed = self.configure("closed", f"http://127.0.0.1:{servers.free_port()}", self.w.user, self.w.password)
        r = self.andon("doctor", config=closed, expect=4)
        assert "no connection to 127.0.0.1" in r.stdout and "-> check that the server runs" in r.stdout, r.stdout

    def a_viewer_is_told_what_is_missing(self):
        viewer = self.configure("viewer", self.w.url, *self.w.viewer)
        r = self.andon("get", "rollouts", config=viewer, expect=4)
        assert "does not permit this to the user of this fleet (403)" in r.stderr, r.stderr
        assert "ask for the permission" in r.stderr, r.stderr
        r = self.andon("start", self.rid(), "--yes", config=viewer, expect=(3, 4))
        assert "403" in r.stderr and self.w.rollout()["status"] == "ready", r.stderr

    def shows_the_rollout(self):
        row = self.row()
        assert row["state"] == "ready" and row["devices"] == 60 and row["name"] == self.w.title, row
        assert row["version"] == self.w.new, row
        waves = self.json("get", "waves", self.rid())["waves"]
        assert [w["devices"] for w in waves] == [w["totalTargets"] for w in self.w.waves()] == [6, 18, 36], waves

    def shows_what_the_server_can_do(self):
        self.differs("0.3 has no trigger, stop, retry and list of actions")
        caps = set(self.json("get", "fleets")["fleets"][0]["capabilities"])
        for cap in ("trigger-next", "stop", "retry", "action-list"):
            assert (cap in caps) == (cap not in self.w.lacks), (cap, caps)
        assert {"notes", "notes-put"} <= caps, caps

    def answers_while_ready(self):
        probes.ask(self.w, "ready")

    def answers_about_notes(self):
        probes.ask_notes(self.w)

    def start(self):
        self.w.hold(self.w.members(0))
        self.andon("start", self.rid(), "--yes")
        servers.wait_for("running", lambda: self.w.rollout()["status"] == "running", 30)

    def pause_and_resume(self):
        self.andon("pause", self.rid(), "--yes")
        assert self.w.rollout()["status"] == "paused"
        self.andon("resume", self.rid(), "--yes")
        assert self.w.rollout()["status"] == "running"

    def read_only_still_halts(self):
        ro = self.configure("read-only", self.w.url, self.w.user, self.w.password, read_only=True)
        self.andon("pause", self.rid(), "--yes", config=ro, expect=3)
        self.andon("resume", self.rid(), "--yes", config=ro, expect=3)
        assert self.w.rollout()["status"] == "running"
        self.andon("halt", "--all", config=ro)
        assert self.w.rollout()["status"] == "paused"
        r = self.andon("resume", self.rid(), "--yes", expect=3)
        assert "halted" in r.stderr, r.stderr
        self.andon("ack", self.rid(), "--yes")
        self.andon("resume", self.rid(), "--yes")
        assert self.w.rollout()["status"] == "running"

    def refuses_nonsense(self):
        self.andon("resume", self.rid(), "--yes", expect=3)
        self.andon("pause", "999999", "--yes", expect=(1, 3))
        self.andon("rollback", self.rid(), "--reason", "x", "--confirm", "wrong phrase", expect=3)
        assert self.w.rollout()["status"] == "running"

    def hold_keeps_the_next_wave(self):
        self.andon("pause", self.rid(), "--yes")
        probes.ask(self.w, "paused")
        self.w.hold([])  # devices that were told go on in spite of the pause
        servers.wait_for("the canary wave's installs",
                         lambda: all(self.w.installed(d) == self.w.new for d in self.w.members(0)), 90)
        assert self.w.waves()[1]["status"] in ("scheduled", "ready"), self.w.waves()[1]["status"]

    def advance(self):
        self.differs("0.3 has no trigger: advance lifts andon's own hold, once the running wave has answered")
        wave = self.w.members(1)
        self.w.hold(wave[-4:])  # told, and not finished when the halt comes
        self.w.fail(wave[:1])
        self.andon("advance", self.rid(), "--yes")
        servers.wait_for("wave 1", lambda: self.w.waves()[1]["status"] in ("running", "finished"), 60)

    def shows_the_health_of_canary_and_control(self):
        def cpu():
            h = self.json("get", "health", self.rid())["health"]
            canary = next(x for x in h if x["wave"] == 0)
            assert canary["canary"]["expected"] == 6 and canary["control"]["expected"] >= 36, canary
            return next(m for m in canary["metrics"] if m["metric"] == "cpu-mean")
        # Right after an advance both groups are in the grace of the new installs: the figures come when it is over.
        servers.wait_for("figures of both groups", lambda: all(cpu()[k] for k in ("canary", "control", "ratio")), 60)

    def halted_by_a_rule(self):
        self.guard = servers.Process("guard", [self.program, "--config", str(self.config), "guard"], self.folder)
        self.w.misbehave()
        servers.wait_for("the guard's halt", lambda: self.guard.alive() and self.w.rollout()["status"] == "paused", 120)
        servers.wait_for("the halt's entry", self.halts, 20)
        assert self.w.waves()[2]["status"] in ("scheduled", "ready"), "the third wave was told"

    def halts(self):
        return [e for e in self.json("audit", "show", "--kind", "halt")["entries"]
                if e["rollout"] == self.rid() and "R-REBOOT" in e["actor"]]

    def latched(self):
        self.andon("resume", self.rid(), "--yes", expect=3)
        row = self.row()
        assert row["halted"], row

    def the_tests_see_it_too(self):
        """Without history of the hour before, the tests of reboots go on."""
        def loop():
            x = self.json("explain", self.rid())
            return [t for w in x["waves"] for t in w["tests"] if t["test"] == "crash-loop" and t["canaries"] >= 3]
        test = servers.wait_for("a crash loop", loop, 40, 1)[0]
        assert test["others"] == 0 and test["log_evidence"] > 0, test

    def the_kept_evidence_knows_the_waves(self):
        if self.differs("with history evidence is kept at whole minutes: verdict.py looks at it"):
            return
        kept = servers.wait_for("kept evidence", lambda: self.kept(self.rid()), 10)
        assert kept.told[:2] == [1000 * self.w.told_at(self.w.members(w)[0]) for w in (0, 1)], kept.told
        for d, (_, _, attributes, _) in kept.devices.items():
            about = self.w.attributes(d)
            assert set(attributes) == {about["model"], about["site"]}, (d, attributes, about)

    def roll_back(self):
        self.told = [d for w in (0, 1) for d in self.w.members(w)]
        done = [d for d in self.told if self.w.installed(d) == self.w.new]
        assert 6 < len(done) < len(self.told), "some of the second wave are still in flight"
        p = self.json("rollback", self.rid(), "--preview")
        assert p["devices"] == len(self.told), p
        self.andon("rollback", self.rid(), "--reason", "devices restart in a loop", "--confirm", p["phrase"], "--wait")
        state = self.w.rollout()["status"]
        assert state == ("paused" if self.differs("0.3 has no stop: the old rollout stays paused") else "stopped"), state
        names = [r["name"] for r in self.w.rollouts()]
        assert any(n.startswith(f"andon-rb-{self.rid()}-") for n in names), names

    def every_device_is_back(self):
        for d in self.w.all_devices():
            expected = self.w.new if d == self.w.outsider else self.w.old
            assert self.w.installed(d) == self.w.runs(d) == expected, (d, self.w.installed(d), self.w.runs(d))

    def the_roll_back_told_nobody_else(self):
        """Those who took the recall, and on 0.3 the failed one, need no action of it; no one else may get one."""
        self.differs("only the real fleet has a failed device, and one outside of the rollout with the new release")
        told = set()
        for r in self.w.rollouts():
            if r["name"].startswith("andon-rb-"):
                groups = self.w.api.ok("GET", f"/rest/v1/rollouts/{r['id']}/deploygroups?limit=500")["content"]
                for g in groups:
                    page = self.w.api.ok("GET", f"/rest/v1/rollouts/{r['id']}/deploygroups/{g['id']}/targets?limit=500")
                    told |= {t["controllerId"] for t in page["content"]}
        assert len(told) > 6 and told <= set(self.told), told - set(self.told)

    def the_guard_ends(self):
        self.guard.p.send_signal(signal.SIGTERM)
        assert self.guard.p.wait(15) == 0, self.guard.tail()

    def the_log_verifies(self):
        self.andon("audit", "verify")
        out = self.folder / "export"
        self.andon("audit", "export", str(out))
        r = subprocess.run(["sh", "verify.sh"], cwd=out, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        assert r.returncode == 0, r.stdout
        entries = self.json("audit", "show", "--rollout", self.rid())["entries"]
        verbs = {(e["verb"], e["kind"]) for e in entries}
        for verb in ("start", "pause", "resume", "advance", "rollback"):
            assert (verb, "intent") in verbs and (verb, "outcome") in verbs, (verb, sorted(verbs))

    def all(self):
        try:
            for step in (self.doctor, self.doctor_names_what_is_wrong, self.a_viewer_is_told_what_is_missing,
                         self.shows_the_rollout, self.shows_what_the_server_can_do, self.answers_while_ready,
                         self.answers_about_notes, self.start, self.pause_and_resume, self.read_only_still_halts, self.refuses_nonsense,
                         self.hold_keeps_the_next_wave, self.advance, self.shows_the_health_of_canary_and_control,
                         self.halted_by_a_rule, self.latched, self.the_tests_see_it_too,
                         self.the_kept_evidence_knows_the_waves, self.roll_back, self.every_device_is_back,
                         self.the_roll_back_told_nobody_else, self.the_guard_ends, self.the_log_verifies):
                self.check(step)
        finally:
            if self.guard:
                self.guard.stop()


def run_world(kind, program):
    folder = servers.scratch()
    t = time.monotonic()
    world = worlds.Drill(folder, program) if kind == "drill" else worlds.Real(folder)
    print(f"--- {world.name}, after {time.monotonic() - t:.0f} s", flush=True)
    try:
        if kind == "watchers":
            part = watchers.Watchers(program, world, folder)
            part.all()
            return part.passed, part.failed
        run = Run(program, world, folder)
        run.all()
        for reason in run.reasons:
            print(f"      differs: {reason}")
        if not world.real:
            return run.passed, run.failed
        print("--- the verdict, on the same servers", flush=True)
        v = verdict.Verdict(program, world, folder)
        v.all()
        print("--- several watchers, on the same server", flush=True)
        several = watchers.Watchers(program, world, folder)
        several.all()
        parts = (run, v, several)
        return sum(x.passed for x in parts), sum(x.failed for x in parts)
    finally:
        world.stop()


def main():
    program, which = os.path.abspath(sys.argv[1]), sys.argv[2:] or ["drill", "real", "labels", "filters", "inventory", "backends", "story"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    began = time.monotonic()
    alone = {"labels": labels.run, "filters": filters.run, "inventory": inventory.run, "backends": backends.run, "story": story.run}
    results = [alone[kind](program) if kind in alone else run_world(kind, program) for kind in which]
    if {"drill", "real"} <= set(which):
        results.append(probes.compare())
    passed, failed = (sum(r[i] for r in results) for i in (0, 1))
    print(f"{passed} passed, {failed} failed, in {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
