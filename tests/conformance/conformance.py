#!/usr/bin/env python3
"""conformance.py PROGRAM [drill|real]: one rollout in waves, watched, paused, resumed, advanced, halted by a rule, rolled
back, verified device by device; with the same steps on the drill's server and on a real hawkBit with a real Prometheus.

Where the two servers differ (facts, section 3), the test says so with `differs(...)`."""
import json
import os
import pathlib
import signal
import subprocess
import sys

import servers
import worlds

POLICY = """\
window: 60s
grace: 2s
install_time: 60s
rollback_to: previous
drain: 5s
limits:
  - id: R-REBOOT
    metric: reboots
    relative_to: control
    above: 3
    for: 3s
    min_devices: 3
    on_breach: pause
"""


class Run:
    def __init__(self, program, world, folder):
        self.program, self.w, self.folder = program, world, pathlib.Path(folder)
        self.passed = self.failed = 0
        self.guard = None
        self.config = self.folder / "config.yaml"
        (self.folder / "policy.yaml").write_text(POLICY)
        (self.folder / "secret").write_text(world.password + "\n")
        os.chmod(self.folder / "secret", 0o600)
        self.config.write_text(
            "fleets:\n"
            "  - name: cams\n    kind: hawkbit\n"
            f"    url: {world.url}\n    user: {world.user}\n    secret: {{file: {self.folder}/secret}}\n"
            "    environment: test\n    poll: 1s\n"
            f"    telemetry:\n{world.telemetry.replace('    kind', '      kind').replace(chr(10) + '    ', chr(10) + '      ')}"
            "    policy: policy.yaml\n"
            f"audit:\n  db: {self.folder}/audit/audit.db\n  key: {self.folder}/key/audit.key\n")
        os.chmod(self.config, 0o600)

    def andon(self, *args, expect=0):
        r = subprocess.run([self.program, "--config", str(self.config), *args], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180, check=False)
        if expect is not None and r.returncode != expect:
            raise AssertionError(f"andon {' '.join(args)}: exit {r.returncode}, expected {expect}\n{r.stdout}{r.stderr}")
        return r

    def json(self, *args, expect=0):
        return json.loads(self.andon(*args, "-o", "json", expect=expect).stdout)

    def check(self, name, fn):
        try:
            fn()
            self.passed += 1
            print(f"ok    {name}", flush=True)
        except Exception as e:  # every kind of failure is a failure of this step
            self.failed += 1
            print(f"FAIL  {name}: {type(e).__name__}: {e}", flush=True)

    def rid(self):
        return str(self.w.rollout_id)

    # --- the steps, in order ---

    def doctor(self):
        r = self.andon("doctor")
        assert "cams" in r.stdout, r.stdout

    def shows_the_rollout(self):
        rows = self.json("get", "rollouts")["rollouts"]
        row = next(r for r in rows if r["id"] == self.rid())
        assert row["state"] == "ready" and row["devices"] == 60, row
        waves = self.json("get", "waves", self.rid())["waves"]
        assert [w["devices"] for w in waves] == [w["totalTargets"] for w in self.w.waves()] and len(waves) == 3, waves

    def shows_what_the_server_can_do(self):
        caps = set(self.json("get", "fleets")["fleets"][0]["capabilities"])
        for cap in ("trigger-next", "stop", "retry", "action-list"):
            assert (cap in caps) == (cap not in self.w.lacks), (cap, caps)  # differs: 0.3 has none of these

    def start(self):
        self.w.hold(self.w.members(0))
        self.andon("start", self.rid(), "--yes")
        servers.wait_for("running", lambda: self.w.rollout()["status"] == "running", 30)

    def pause_and_resume(self):
        self.andon("pause", self.rid(), "--yes")
        assert self.w.rollout()["status"] == "paused"
        self.andon("resume", self.rid(), "--yes")
        assert self.w.rollout()["status"] == "running"

    def refuses_nonsense(self):
        self.andon("resume", self.rid(), "--yes", expect=3)
        self.andon("resume", "999999", "--yes", expect=None)
        self.andon("rollback", self.rid(), "--reason", "x", "--confirm", "wrong phrase", expect=3)

    def hold_keeps_the_next_wave(self):
        self.andon("pause", self.rid(), "--yes")
        self.w.hold([])
        servers.wait_for("the canary wave's installs", lambda: all(self.w.installed(d) == "2.0" for d in self.w.members(0)), 90)
        assert self.w.waves()[1]["status"] in ("scheduled", "ready"), self.w.waves()[1]["status"]

    def advance(self):
        # differs: 0.3 has no trigger; there, and on a paused rollout everywhere, advance lifts andon's own hold.
        self.w.hold(self.w.members(1)[-4:])  # four are told and do not finish: in flight when the halt comes
        self.andon("advance", self.rid(), "--yes")
        servers.wait_for("wave 1", lambda: self.w.waves()[1]["status"] == "running" or
                         self.w.waves()[1]["status"] == "finished", 60)

    def halted_by_a_rule(self):
        log = open(self.folder / "guard.log", "wb")
        self.guard = subprocess.Popen([self.program, "--config", str(self.config), "guard"], stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log)
        servers.wait_for("canary installs", lambda: all(self.w.installed(d) == "2.0" for d in self.w.members(0)), 60)
        self.w.misbehave()
        servers.wait_for("the guard's halt", lambda: self.w.rollout()["status"] == "paused", 120)
        servers.wait_for("the halt's entry", lambda: self.halts(), 20)
        assert self.w.waves()[2]["status"] in ("scheduled", "ready"), "the third wave was told"

    def halts(self):
        return [e for e in self.json("audit", "show", "--kind", "halt")["entries"]
                if e["rollout"] == self.rid() and "R-REBOOT" in e["actor"]]

    def latched(self):
        self.andon("resume", self.rid(), "--yes", expect=3)
        row = next(r for r in self.json("get", "rollouts")["rollouts"] if r["id"] == self.rid())
        assert row["halted"], row

    def roll_back(self):
        self.told = [d for w in (0, 1) for d in self.w.members(w)]
        p = self.json("rollback", self.rid(), "--preview")
        assert p["devices"] == len(self.told), p
        self.andon("rollback", self.rid(), "--reason", "devices reboot in a loop", "--confirm", p["phrase"], "--wait")

    def every_device_is_back(self):
        wrong = {d: self.w.installed(d) for d in self.w.all_devices() if self.w.installed(d) != "1.0"}
        assert not wrong, wrong

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

    def the_guard_ends(self):
        self.guard.send_signal(signal.SIGTERM)
        assert self.guard.wait(15) == 0, (self.folder / "guard.log").read_text()[-2000:]

    def all(self):
        for step in (self.doctor, self.shows_the_rollout, self.shows_what_the_server_can_do, self.start,
                     self.pause_and_resume, self.refuses_nonsense, self.hold_keeps_the_next_wave, self.advance,
                     self.halted_by_a_rule, self.latched, self.roll_back, self.every_device_is_back,
                     self.the_guard_ends, self.the_log_verifies):
            self.check(f"{self.w.name}: {step.__name__.replace('_', ' ')}", step)
        if self.guard and self.guard.poll() is None:
            self.guard.kill()


def main():
    program, which = os.path.abspath(sys.argv[1]), sys.argv[2:] or ["drill", "real"]
    passed = failed = 0
    for kind in which:
        folder = servers.scratch()
        world = worlds.Drill(folder, program) if kind == "drill" else worlds.Real(folder)
        print(f"--- {world.name}", flush=True)
        run = Run(program, world, folder)
        try:
            run.all()
        finally:
            world.stop()
        passed, failed = passed + run.passed, failed + run.failed
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
