"""What the runs of the conformance test share: steps that are counted, andon with a configuration of its own, and a look
into what a watcher has kept of its evidence."""
import json
import pathlib
import sqlite3
import struct
import subprocess
import time

import servers


class Steps:
    """`policy`: the text of the policy. Each watcher has a home of its own under the folder, unless it is told where."""
    def __init__(self, program, world, folder, policy):
        self.program, self.w, self.folder = program, world, pathlib.Path(folder)
        self.passed = self.failed = 0
        self.reasons = []
        self.env = None  # of andon; None: as it is here
        (self.folder / "policy.yaml").write_text(policy)
        self.config = self.configure("config", world.url, world.user, world.password)

    def configure(self, name, url, user, password, home="", **fleet):
        """A configuration; all of a run share one log, as consoles of one site do, unless `home` names another."""
        secret, path, own = self.folder / f"{name}.secret", self.folder / f"{name}.yaml", self.folder / home
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        # JSON is YAML.
        path.write_text(json.dumps({
            "fleets": [{"name": "cams", "kind": "hawkbit", "url": url, "user": user, "secret": {"file": str(secret)},
                        "environment": "test", "poll": "1s", "telemetry": self.w.telemetry, "policy": "policy.yaml",
                        **fleet}],
            "audit": {"db": f"{own}/audit/audit.db", "key": f"{own}/key/audit.key",
                      "evidence_db": f"{own}/state/evidence.db"}}))
        path.chmod(0o600)
        return path

    def know_each_other(self, configs):
        """Each has the keys of the others' logs, so that what they note on the server counts as theirs."""
        keys = {}
        for path in configs.values():
            self.andon("ack", "--all", "--yes", config=path, expect=(0, 3))  # the log is there
            keys[path] = self.json("audit", "head", config=path)["vkey"]
        for path in configs.values():
            config = json.loads(path.read_text())
            config["audit"]["known_keys"] = [k for p, k in keys.items() if p != path]
            path.write_text(json.dumps(config))

    def andon(self, *args, expect=0, config=None):
        r = subprocess.run([self.program, "--config", str(config or self.config), *args], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180, check=False, env=self.env,
                           preexec_fn=servers.end_with_parent)
        if r.returncode not in (expect if isinstance(expect, tuple) else (expect,)):
            raise AssertionError(f"andon {' '.join(args)}: exit {r.returncode}, expected {expect}\n{r.stdout}{r.stderr}")
        return r

    def json(self, *args, **kw):
        return json.loads(self.andon(*args, "-o", "json", **kw).stdout)

    def check(self, step):
        name, t = step.__name__.replace("_", " "), time.monotonic()
        try:
            step()
            self.passed += 1
            print(f"ok    {name} ({time.monotonic() - t:.1f} s)", flush=True)
        except Exception as e:  # every kind of failure is a failure of this step
            self.failed += 1
            print(f"FAIL  {name}: {type(e).__name__}: {e}", flush=True)

    def differs(self, reason):
        if self.w.real and reason not in self.reasons:
            self.reasons.append(reason)
        return self.w.real

    def kept(self, rollout, home=""):
        """The newest state of the rollout's trial that a watcher has kept, None when there is none yet."""
        path = self.folder / home / "state" / "evidence.db"
        if not path.exists():
            return None
        try:
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
            row = db.execute("select tick, bytes from trial where rollout = ?", (str(rollout),)).fetchone()
            db.close()
        except sqlite3.OperationalError:  # it is just being made
            return None
        return Kept(*row) if row else None


class Kept:
    """A kept state (engine/trial_keep.c): when each wave was told, and the devices with their attributes."""
    def __init__(self, tick, state):
        self.tick, self.bytes = tick, state
        head = b"andon-run 2\n"
        assert state.startswith(head), state[:20]
        self.at = len(head)
        self.told = [self.number() for _ in range(self.number())]
        self.number(), self.number()  # begun at; newest acknowledgement
        names = [self.text() for _ in range(self.number())]
        self.strata = [self.text() for _ in range(self.number())]
        self.devices = {}  # id: (wave, stratum, attributes that are known, installed at)
        for _ in range(self.number()):
            name = self.text()
            _, wave, _, stratum, *attributes, installed = [self.number() for _ in range(9)]
            self.devices[name] = (wave, stratum, tuple(names[a] for a in attributes if a >= 0), installed)
        before = self.number()  # the placebo test
        self.at += before
        assert self.number() == len(state) - self.at, "not read to the trial's own bytes"

    def number(self):
        self.at += 8
        return struct.unpack("<q", self.bytes[self.at - 8:self.at])[0]

    def text(self):
        n = self.number()
        self.at += n
        return self.bytes[self.at - n:self.at].decode()
