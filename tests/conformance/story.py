"""The same story on servers that keep no waves, by the program's own commands: a plan of three waves is made and started, counts
are seen, it is paused (and nobody is told further), resumed and advanced, a guard halts it by failed installs, it is acknowledged
and rolled back, and every device is looked at. Each server is a class that says what it cannot do, with the reason."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import awsiot
import goosebit
import mender
import openmv
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
N, WAVES = 12, (3, 4, 5)
POLICY = """\
grace: 1s
install_time: 60s
rollback_to: previous
drain: 2s
evidence: {tests: dry-run}
limits:
  - {id: R-INSTALL, metric: install-failed, above: 0.3, min_devices: 2, on_breach: pause}
"""


class Server:
    """Devices cam-01 to cam-12 with 1.0. `differs`: what is otherwise than elsewhere, and why."""
    new, title, differs = "cam:2.0", "", ()
    to, back = None, "1.0"  # what a roll back is to be told, None = nothing; what devices run after it

    def ids(self):
        return [f"cam-{i:02d}" for i in range(1, N + 1)]

    # Each has: fleet(), of the configuration; secret; update(device, good): the device looks, and does what it is offered;
    # runs(device): the version on the device itself; offered(device): it was told something.


class Goosebit(Server):
    title, new, secret = "gooseBit 0.2.12", "cam/b2:2.0", "operator-word"
    differs = ("an assignment leaves no trace of its own: who was told is seen by what each device is offered",)

    def __init__(self, folder):
        self.s = goosebit.Goosebit(folder)
        self.s.wait()
        for v in ("1.0", "2.0"):
            self.s.upload(v)
        self.d = {i: goosebit.Device(self.s, i) for i in self.ids()}
        for d in self.d.values():
            d.register()
        self.s.log_in("operator")

    def fleet(self):
        return {"kind": "goosebit", "url": self.s.url, "user": "operator"}

    def update(self, device, good):
        return self.d[device].update(good)

    def runs(self, device):
        return self.d[device].version

    def offered(self, device):
        return bool(self.d[device].offered())

    def stop(self):
        self.s.proc.stop()


class Awsiot(Server):
    title = "AWS IoT Jobs, a stand-in that checks signatures"
    secret = json.dumps({"AccessKeyId": "AKIAADMIN", "SecretAccessKey": "admin-word"})
    differs = ("AWS keeps no releases: they are listed in the configuration",
               "a job's result is final: a failed device is told again by a new job")

    def __init__(self, folder):
        self.s = awsiot.start()
        self.version = {i: "1.0" for i in self.ids()}
        for i in self.ids():
            self.say(i)

    def post(self, path, body):
        r = urllib.request.Request(f"http://127.0.0.1:{self.s.server_port}/device/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(r, timeout=10) as f:
            return json.load(f)

    def say(self, device):
        self.post(device, {"fw": self.version[device], "site": "north"})

    def fleet(self):
        return {"kind": "awsiot", "url": f"http://127.0.0.1:{self.s.server_port}", "region": awsiot.REGION,
                "version_attribute": "fw",
                "releases": [{"name": "cam", "version": v, "document": json.dumps({"fw": v})} for v in ("2.0", "1.0")]}

    def update(self, device, good):
        job = self.post(f"{device}/next", {})
        if not job:
            return
        self.post(f"{device}/{job['job']}", {"status": "IN_PROGRESS"})
        if good:
            doc = job["document"]
            self.version[device] = (json.loads(doc) if isinstance(doc, str) else doc)["fw"]
            self.say(device)
        self.post(f"{device}/{job['job']}", {"status": "SUCCEEDED" if good else "FAILED"})

    def runs(self, device):
        return self.version[device]

    def offered(self, device):
        return bool(self.post(f"{device}/next", {}))

    def stop(self):
        self.s.shutdown()
        self.s.server_close()


class Mender(Server):
    title, new, secret = "a stand-in for Mender", "hub 2.0:hub 2.0", "operator-word"
    differs = ("a release is an artifact's name: name and version are the same",
               "a token ends after 30 requests here: andon logs in again in the middle of everything")

    def __init__(self, folder):
        self.s = mender.start()
        for i in self.ids():
            self.say(i, "reports", {"artifact": "hub 1.0"})

    def say(self, *what):
        with self.s.lock:
            return self.s.world.device(*what)

    def fleet(self):
        return {"kind": "mender", "url": f"http://127.0.0.1:{self.s.server_address[1]}", "user": "operator"}

    def update(self, device, good):
        got = self.say(device, "next", {})
        if not got:
            return
        self.say(device, "says", {"id": got["id"], "status": "installing"})
        if good:
            self.say(device, "reports", {"artifact": got["artifact"]})
        self.say(device, "says", {"id": got["id"], "status": "success" if good else "failure"})

    def runs(self, device):
        with self.s.lock:
            return self.s.world.devices[device]["artifact"].removeprefix("hub ")

    def offered(self, device):
        with self.s.lock:
            return any(device in d.ids for d in self.s.world.deployments)

    def stop(self):
        self.s.shutdown()
        self.s.server_close()


class Openmv(Server):
    title, secret, to, back = "OpenMV OTA 1.0.7", "operator-word", "cam:3.0", "3.0"
    differs = ("no older release is taken, by server and devices: the way back is the old content as a release of a higher payload",
               "a pin stays when its release is installed")

    def __init__(self, folder):
        self.s = openmv.Openmv(folder)
        self.s.wait()
        self.payload = {self.s.publish(f"{p}.0", p): p for p in (1, 2, 3)}
        self.d = {i: openmv.Device(self.s, i.removeprefix("SIM:")) for i in self.ids()}
        for d in self.d.values():
            d.check_in()

    def ids(self):
        return [f"SIM:{i}" for i in super().ids()]

    def fleet(self):
        return {"kind": "openmv", "url": self.s.url, "bearer": True}

    def update(self, device, good):
        return self.d[device].update(self.payload, good)

    def runs(self, device):
        return f"{self.d[device].payload}.0"

    def offered(self, device):
        return bool(self.s.ok("GET", f"{openmv.ADMIN}/devices/{device}")["pinned_release_id"])

    def stop(self):
        self.s.proc.stop()


AGENT = """#!/bin/sh
# agent FOLDER version|install|recall [VERSION]
cd "$1" || exit 9
case $2 in
version) cat version ;;
install) echo "$3" >>asked; [ ! -f bad ] || { echo "no room" >&2; exit 4; }; echo "$3" >new && mv new staged ;;
recall) rm staged ;;
esac
"""


class Plugin(Server):
    title, secret = "a plug-in over devices that are folders", None
    differs = ("an install that fails ends the command, so it fails when it is told and not when the device looks",)

    def __init__(self, folder):
        self.home = pathlib.Path(folder) / "lab"
        for i in self.ids():
            (self.home / i).mkdir(parents=True)
            (self.home / i / "version").write_text("1.0\n")
        agent, self.list, state = self.home / "agent", self.home / "list.json", self.home / "state.json"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        run = [str(agent), "{address}"]
        self.list.write_text(json.dumps({
            "version": [*run, "version"], "install": [*run, "install", "{file}"], "recall": [*run, "recall"],
            "fresh_seconds": 0, "releases": [{"id": f"r{v[0]}", "name": "cam", "version": v, "order": int(v[0]), "file": v}
                                             for v in ("1.0", "2.0")],
            "devices": [{"id": i, "address": str(self.home / i)} for i in self.ids()]}))
        self.options = {"devices": str(self.list), "state": str(state)}
        self.plugins = pathlib.Path(folder) / "plugins"
        self.plugins.mkdir(mode=0o755)
        shutil.copy(ROOT / "plugins/andon-backend-command", self.plugins)

    def fleet(self):
        return {"kind": "plugin", "plugin": "command", "timeout": "20s", "options": self.options, "read": [str(self.home)],
                "write": [str(self.home)]}

    def bad(self, devices):
        for d in devices:
            (self.home / d / "bad").touch()

    def update(self, device, good):
        staged = self.home / device / "staged"
        if staged.exists():
            staged.rename(self.home / device / "version")

    def runs(self, device):
        return (self.home / device / "version").read_text().strip()

    def offered(self, device):
        return (self.home / device / "asked").exists()

    def stop(self):
        pass


class Story:
    def __init__(self, program, server, folder, more=(), others=()):
        self.program, self.s, self.folder = program, server, pathlib.Path(folder)
        self.passed = self.failed = 0
        self.guard, self.plan, self.members = None, None, []
        fleet = {"name": "fleet", "environment": "test", "poll": "1s", "policy": "policy.yaml", **server.fleet()}
        if server.secret:
            secret = self.folder / "secret"
            secret.write_text(server.secret + "\n")
            secret.chmod(0o600)
            fleet["secret"] = {"file": str(secret)}
        config = {"fleets": [fleet, *more], "audit": {"db": f"{folder}/audit/audit.db", "key": f"{folder}/key/audit.key",
                                               "evidence_db": f"{folder}/state/evidence.db"}}
        for s in (server, *others):
            if hasattr(s, "plugins"):
                config["plugins"] = str(s.plugins)
        (self.folder / "policy.yaml").write_text(POLICY)
        self.config = self.folder / "config.yaml"
        self.config.write_text(json.dumps(config))
        for f in (self.config, self.folder / "policy.yaml"):
            f.chmod(0o600)

    def andon(self, *args, expect=0):
        r = subprocess.run([self.program, "--config", str(self.config), *args], stdin=subprocess.DEVNULL, text=True,
                           capture_output=True, timeout=60, check=False, preexec_fn=servers.end_with_parent)
        assert r.returncode in (expect if isinstance(expect, tuple) else (expect,)), f"andon {' '.join(args)}: exit {r.returncode}, expected {expect}\n{r.stdout}{r.stderr}"
        return r

    def json(self, *args):
        return json.loads(self.andon(*args, "-o", "json").stdout)

    def show(self):
        return self.json("plan", "show", self.plan)

    def row(self):
        return next(r for r in self.json("get", "rollouts")["rollouts"] if r["id"] == self.plan)

    def waves(self):
        return self.json("get", "waves", self.plan)["waves"]

    def wave(self, n):
        return self.members[n]

    def plays(self, devices, bad=()):
        for d in devices:
            self.s.update(d, d not in bad)

    def nobody_told(self, waves):
        told = [d for w in waves for d in self.wave(w) if self.s.offered(d)]
        assert not told, told

    # --- the steps, in order ---

    def doctor(self):
        assert "0 failed" in self.andon("doctor").stdout

    def a_plan_of_three_waves(self):
        made = self.andon("plan", "create", self.s.new, "--target", "all", "--waves", "3,4,rest", "--yes")
        self.plan = made.stdout.split()[0]
        self.members = [[] for _ in WAVES]
        for n, size in enumerate(WAVES):
            self.members[n] = self.ids_of(n)
            assert len(self.wave(n)) == size, (n, self.wave(n))
        assert sorted(d for w in self.members for d in w) == self.s.ids(), self.members
        self.nobody_told(range(3))
        assert self.row()["state"] == "ready", self.row()

    def ids_of(self, n):
        out = self.json("plan", "show", self.plan, "--wave", str(n))
        return out["waves"][n]["ids"] if "ids" in out["waves"][n] else out["ids"]

    def start(self):
        self.andon("start", self.plan, "--yes")
        servers.wait_for("the first wave is told", lambda: all(self.s.offered(d) for d in self.wave(0)), 20)
        self.nobody_told((1, 2))

    def counts_are_seen(self):
        done = self.wave(0)[:1]
        self.plays(done)
        self.counts(0, finished=1, running=2)

    def counts(self, n, **wanted):
        servers.wait_for(f"wave {n}: {wanted}", lambda: self.count(n, wanted), 20)

    def count(self, n, wanted):
        got = self.waves()[n]["counts"]
        return all(got[k] == v for k, v in wanted.items())

    def pause_tells_nobody_more(self):
        self.andon("pause", self.plan, "--yes")
        assert self.row()["state"] == "paused", self.row()
        self.plays(self.wave(0))  # what was told goes on
        self.counts(0, finished=3)
        self.nobody_told((1, 2))

    def resume(self):
        self.andon("resume", self.plan, "--yes")
        assert self.row()["state"] == "running", self.row()
        self.nobody_told((1, 2))

    def a_guard_watches(self):
        self.guard = servers.Process("guard", [self.program, "--config", str(self.config), "guard"], self.folder)

    def advance(self):
        self.bad = self.wave(1)[:2]
        if hasattr(self.s, "bad"):
            self.s.bad(self.bad)
        self.andon("pause", self.plan, "--yes")  # an advance lifts andon's own hold
        self.andon("advance", self.plan, "--yes")
        servers.wait_for("the second wave is told", lambda: all(self.s.offered(d) for d in self.wave(1)), 20)
        self.nobody_told((2,))

    def halted_by_evidence(self):
        self.plays(self.wave(1)[:3], self.bad)
        servers.wait_for("the guard's halt", lambda: self.guard.alive() and any(
            "R-INSTALL" in e["actor"] for e in self.json("audit", "show", "--kind", "halt")["entries"]), 40)
        assert self.row()["halted"] and self.row()["state"] == "paused", self.row()
        self.nobody_told((2,))

    def it_stays_halted(self):
        for verb in ("resume", "advance"):
            self.andon(verb, self.plan, "--yes", expect=3)
        self.andon("ack", self.plan, "--yes")
        assert not self.row()["halted"], self.row()

    def roll_back(self):
        to = []
        if self.s.to:
            r = self.andon("rollback", self.plan, "--preview")
            assert "refused now: this server takes no older release" in r.stdout and self.s.to in r.stdout, r.stdout
            to = ["--to", self.s.to]
        p = self.json("rollback", self.plan, *to, "--preview")
        assert p["devices"] == 7, p
        over = threading.Event()

        def devices():
            while not over.wait(0.1):
                self.plays(d for w in (0, 1) for d in self.wave(w))
        player = threading.Thread(target=devices)
        player.start()
        try:
            self.andon("rollback", self.plan, *to, "--reason", "installs fail", "--confirm", p["phrase"], "--wait")
        finally:
            over.set()
            player.join()

    def every_device_is_back(self):
        wrong = {d: self.s.runs(d) for w in range(3) for d in self.wave(w) if self.s.runs(d) != ("1.0" if w == 2 else self.s.back)}
        assert not wrong, wrong
        self.nobody_told((2,))

    def andon_says_so_too(self):
        steps = [e for e in self.json("audit", "show", "--rollout", self.plan)["entries"]]
        verbs = {(e["verb"], e["kind"]) for e in steps}
        for verb in ("start", "pause", "resume", "advance", "rollback"):
            assert (verb, "intent") in verbs and (verb, "outcome") in verbs, (verb, sorted(verbs))

    def the_guard_ends(self):
        self.guard.p.send_signal(signal.SIGTERM)
        assert self.guard.p.wait(15) == 0, self.guard.tail()

    def the_log_verifies(self):
        self.andon("audit", "verify")

    STEPS = ("doctor", "a_plan_of_three_waves", "start", "counts_are_seen", "pause_tells_nobody_more", "resume", "a_guard_watches",
             "advance", "halted_by_evidence", "it_stays_halted", "roll_back", "every_device_is_back", "andon_says_so_too",
             "the_guard_ends", "the_log_verifies")

    def all(self):
        try:
            for step in (getattr(self, name) for name in self.STEPS):
                began, name = time.monotonic(), step.__name__.replace("_", " ")
                try:
                    step()
                    self.passed += 1
                    print(f"ok    {name} ({time.monotonic() - began:.1f} s)", flush=True)
                except Exception as e:  # what comes after it makes no sense then
                    self.failed += 1
                    print(f"FAIL  {name}: {type(e).__name__}: {e}", flush=True)
                    return
        finally:
            if self.guard:
                self.guard.stop()


class Liar(Mender):
    """Says yes to each telling and does nothing."""
    title = "fleets of four kinds at once: AWS IoT, a Mender that lies, a gooseBit that is down, a slow plug-in"
    differs = ()

    def __init__(self, folder):
        super().__init__(folder)
        world = self.s.world
        make = world.create

        def create(body):
            ident = make(body)
            world.deployments.pop()
            return ident
        world.create = create


SLOW_S = 60  # each of its answers comes up to so much later


class Three(Story):
    """One guard over fleets of four kinds: `fleet` is fine and must not wait for the others."""
    def __init__(self, program, folder):
        self.liar, self.slow = Liar(folder), Plugin(folder)
        secret = pathlib.Path(folder) / "word"
        secret.write_text("operator-word\n")
        secret.chmod(0o600)
        down = {"kind": "goosebit", "url": f"http://127.0.0.1:{servers.free_port()}", "user": "operator"}
        slow = {**self.slow.fleet(), "faults": {"seed": 4, "delay": f"{SLOW_S}s"}}
        super().__init__(program, Awsiot(folder), folder, [
            {"name": name, "environment": "test", "poll": "1s", "policy": "policy.yaml", "secret": {"file": str(secret)}, **f}
            for name, f in (("lying", self.liar.fleet()), ("down", down), ("slow", slow))], (self.slow,))
        self.page = f"127.0.0.1:{servers.free_port()}"

    def a_guard_watches(self):
        self.guard = servers.Process("guard", [self.program, "--config", str(self.config), "guard", "--metrics", self.page],
                                     self.folder)

    def figures(self, name):
        """By fleet, of its server."""
        with urllib.request.urlopen(f"http://{self.page}/metrics", timeout=10) as r:
            lines = r.read().decode().splitlines()
        return {m[1]: float(m[2]) for m in (re.fullmatch(name + r'\{fleet="(\w+)",source="backend"\} (\S+)', x) for x in lines) if m}

    def made(self, fleet, server):
        return self.andon("plan", "create", server.new, "--fleet", fleet, "--target", "all", "--waves", "4,rest",
                          "--yes").stdout.split()[0]

    def two_are_started(self):
        self.plans = {"fleet": self.made("fleet", self.s), "lying": self.made("lying", self.liar)}
        self.a_guard_watches()
        for fleet, plan in self.plans.items():
            self.andon("start", f"{fleet}/{plan}", "--yes")

    def the_fine_one_is_halted(self):
        told = [d for d in self.s.ids() if self.s.offered(d)]
        assert len(told) == 4, told
        ages = []

        def halted():
            ages.append(self.figures("andon_source_age_seconds").get("fleet", 99))
            return self.guard.alive() and any(e["rollout"] == self.plans["fleet"]
                                              for e in self.json("audit", "show", "--kind", "halt")["entries"])
        # The slow one has a call under way: its answers come once a minute, and this halt does not wait for one.
        servers.wait_for("the slow one does not answer", lambda: self.figures("andon_source_up").get("fleet") == 1
                         and not self.figures("andon_source_up").get("slow"), 2 * SLOW_S)
        self.plays(told, told[:2])
        began = time.monotonic()
        servers.wait_for("the guard's halt", halted, 40)
        print(f"      halted {time.monotonic() - began:.1f} s after its devices had failed, its server's newest answer at most"
              f" {max(ages):.1f} s old; the slow one's: {self.figures('andon_source_age_seconds').get('slow', -1):.0f} s")
        assert max(ages) < 10, ages

    def a_lie_is_no_install(self):
        row, = self.json("get", "rollouts", "--fleet", "lying")["rollouts"]
        assert row["state"] == "running" and (row["counts"]["finished"], row["counts"]["running"]) == (0, 4), row

    def who_is_down_and_who_is_slow_is_said(self):
        r = self.andon("get", "rollouts", expect=4)
        assert all(p in r.stdout for p in self.plans.values()) and "down: no connection" in r.stderr, r.stdout + r.stderr
        assert "slow: the server has not answered" in r.stderr, r.stderr

    def each_answers_for_itself(self):
        """A halt in all fleets: who answers is halted, who does not is named and is no success."""
        began = time.monotonic()
        r = self.andon("halt", "--release", "cam:2.0", "--reason", "a test", "--timeout", "15s", "-o", "json", expect=5)
        took, said = time.monotonic() - began, {a["fleet"]: a for a in json.loads(r.stdout)["answers"]}
        assert said["fleet"]["result"] == "done", said
        assert all(said[k]["result"] == "unknown" and "NOT HALTED" in said[k]["text"] for k in ("down", "slow")), said
        assert took < 15, took

    STEPS = ("two_are_started", "the_fine_one_is_halted", "a_lie_is_no_install", "who_is_down_and_who_is_slow_is_said",
             "each_answers_for_itself", "the_guard_ends")


KINDS = {"goosebit": Goosebit, "plugin": Plugin, "awsiot": Awsiot, "mender": Mender, "openmv": Openmv}


def run(program, kinds=(*KINDS, "three")):
    """How many passed and failed."""
    results = [0, 0]
    for kind in kinds:
        folder = servers.scratch()
        os.chmod(folder, 0o755)
        try:
            s = Three(program, folder) if kind == "three" else Story(program, KINDS[kind](folder), folder)
        except Exception as e:  # a server that does not start is one failure, and the others are played
            results[1] += 1
            print(f"FAIL  the story on {kind}: {type(e).__name__}: {e}", flush=True)
            continue
        played = [s.s, *([s.slow, s.liar] if kind == "three" else [])]
        print(f"--- the story on {played[-1].title}", flush=True)
        try:
            s.all()
            results = [a + b for a, b in zip(results, (s.passed, s.failed))]
            for reason in played[-1].differs:
                print(f"      differs: {reason}")
        finally:
            for server in played:
                server.stop()
    return tuple(results)


if __name__ == "__main__":
    import sys
    passed, failed = run(os.path.abspath(sys.argv[1]), sys.argv[2:] or (*KINDS, "three"))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
