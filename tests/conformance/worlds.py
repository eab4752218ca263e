"""The two worlds of the conformance run, behind one face: a real hawkBit with devices played over its device API and
their metrics in a real Prometheus; and the drill's server. Both hold 60 devices on an old firmware and a rollout of a
new one in three waves (6, 18, 36 devices), not started; some of the second wave are told and never finish, and the new
firmware makes devices restart all the time, some while after its install or once `misbehave` is called. What the test
learns of the server's state it reads here, past andon."""
import json
import pathlib
from urllib.parse import quote

import hubs
import servers

HERE = pathlib.Path(__file__).resolve().parent
GROUPS = [("canary", 10), ("early", 100 * 18 / 54), ("rest", 100)]  # 0.3 takes shares of what remains


def about(i):
    """Attributes of device i: two models; one value that a filter must quote."""
    return {"model": ("mk1", 'mk2 "é"')[i % 2], "site": "lab"}


class World:
    """What both share: reading the server's own answers."""
    def rollout(self, rollout=None):
        return self.api.ok("GET", f"/rest/v1/rollouts/{rollout or self.rollout_id}")

    def waves(self, rollout=None):
        path = f"/rest/v1/rollouts/{rollout or self.rollout_id}/deploygroups"
        groups = self.api.ok("GET", path + "?limit=500")["content"]
        return [self.api.ok("GET", f"{path}/{g['id']}") for g in sorted(groups, key=lambda g: g["id"])]

    def members(self, wave, rollout=None):
        group = self.waves(rollout)[wave]["id"]
        page = self.api.ok("GET", f"/rest/v1/rollouts/{rollout or self.rollout_id}/deploygroups/{group}/targets?limit=500")
        return sorted(t["controllerId"] for t in page["content"])

    def installed(self, device):
        status, body = self.api.call("GET", f"/rest/v1/targets/{quote(device, safe='')}/installedDS")
        return body["version"] if status == 200 and body else None

    def with_release(self, version):
        """Devices whose installed release has this version. Names are compared here: no query is trusted."""
        return {d for d in self.all_devices() if self.installed(d) == version}

    def told_at(self, device):
        """When the device was told what it was told last, in ms: the server's own word, of the action's first entry."""
        path = f"/rest/v1/targets/{quote(device, safe='')}/actions"
        action = max(a["id"] for a in self.api.ok("GET", path + "?limit=50")["content"])
        history = self.api.ok("GET", f"{path}/{action}/status?sort=id:ASC")["content"]
        return next(h["reportedAt"] for h in history if h["type"] == "running")

    def attributes(self, device):
        return self.api.ok("GET", f"/rest/v1/targets/{quote(device, safe='')}/attributes") or {}

    def all_devices(self):
        return sorted(t["controllerId"] for t in self.api.ok("GET", "/rest/v1/targets?limit=500")["content"])

    def rollouts(self):
        return self.api.ok("GET", "/rest/v1/rollouts?limit=500")["content"]


class Real(World):
    name = "hawkBit 0.3.0M7"
    real = True
    # What this server cannot do; andon must show it and not try.
    lacks = {"trigger-next", "stop", "retry", "action-list"}
    # Quotes, blanks and letters beyond ASCII: they travel through filters, labels and the log.
    old, new, title = "1.0", '2.0 "ß"', 'Kamera 2.0 "Größe" – 測試'
    viewer = ("viewer", "viewer")

    def __init__(self, folder):
        self.parts = []
        try:
            self.set_up(folder)
        except BaseException:
            self.stop()
            raise

    def set_up(self, folder):
        self.hb = servers.Hawkbit(folder)
        self.parts.append(self.hb.proc)
        self.names = [f"cam-{i:03d}" for i in range(59)] + ['cam-"ü"-059']
        self.outsider = "bench-1"
        self.fleet = hubs.Fleet(self.hb.port, {n: about(i) for i, n in enumerate([*self.names, self.outsider])})
        self.parts.insert(0, self.fleet)
        self.prom = self.with_history(folder)
        self.parts.append(self.prom)
        self.hb.wait()
        self.prom.wait()
        self.url, self.user, self.password = self.hb.url, "admin", "admin"
        self.api = hubs.Api(self.hb.port, hubs.basic("admin", "admin"))
        self.telemetry = {"kind": "prometheus", "url": self.prom.url, "interval": "1s"}
        for key, value in (("authentication.gatewaytoken.enabled", True), ("authentication.gatewaytoken.key", hubs.TOKEN)):
            self.api.ok("PUT", f"/rest/v1/system/configs/{key}", {"value": value})
        # The canary wave takes the oldest: the odd name is among them.
        self.api.ok("POST", "/rest/v1/targets",
                    [{"controllerId": n, "name": n} for n in [*reversed(self.names), self.outsider]])
        self.releases = {v: self.release(v) for v in (self.old, self.new)}
        self.fleet.bad = self.new
        self.fleet.start()
        first = self.create("base", self.old, [("all", 100)])
        self.api.ok("POST", f"/rest/v1/rollouts/{first}/start")
        servers.wait_for("all devices on the old release",
                         lambda: all(self.fleet.devices[n].version == self.old for n in self.names), 60)
        servers.wait_for("the base rollout's end", lambda: self.rollout(first)["status"] == "finished", 60)
        # A device outside the rollout that somebody gave the new release by hand: nobody may touch it.
        self.api.ok("POST", f"/rest/v1/targets/{self.outsider}/assignedDS", {"id": self.releases[self.new]})
        servers.wait_for("the outsider's install", lambda: self.installed(self.outsider) == self.new, 30)
        self.rollout_id = self.create(self.title, self.new, GROUPS)

    def with_history(self, folder):
        """60 more devices for verdict.py, of which Prometheus has more than an hour of history; they talk to the server
        later. One of them restarted three times in the last half hour."""
        self.hubs = {f"hub-{i:03d}": hubs.Device(f"hub-{i:03d}", about(i)) for i in range(60)}
        self.restless = "hub-058"
        self.fleet.known.update(self.hubs)
        self.hubs[self.restless].boots = 4
        past = hubs.history(self.hubs.values(), f'instance="127.0.0.1:{self.fleet.metrics.port}",job="fleet"', 4500, 5,
                             lambda d, ago: d.boots - (sum(ago > 600 * k for k in (1, 2, 3)) if d.boots > 1 else 0))
        self.guard_port = servers.free_port()
        return servers.Prometheus(folder, {"fleet": self.fleet.metrics.port, "guard": self.guard_port}, past)

    def release(self, version):
        sm = self.api.ok("POST", "/rest/v1/softwaremodules", [{"name": "cam", "version": version, "type": "os"}])[0]["id"]
        return self.api.ok("POST", "/rest/v1/distributionsets",
                           [{"name": "Kamera (ä)", "version": version, "type": "os", "modules": [{"id": sm}]}])[0]["id"]

    def create(self, name, version, groups, devices="cam-*"):
        cond = lambda c, e, a: {f"{c}Condition": {"condition": "THRESHOLD", "expression": e},
                                f"{c}Action": {"action": a, "expression": ""}}
        rid = self.api.ok("POST", "/rest/v1/rollouts", {
            "name": name, "description": name, "distributionSetId": self.releases[version],
            "targetFilterQuery": f"controllerId=={devices}",
            "groups": [{"name": n, "description": n, "targetPercentage": p, **cond("success", "100", "NEXTGROUP"),
                        **cond("error", "50", "PAUSE")} for n, p in groups]})["id"]
        servers.wait_for("ready", lambda: self.rollout(rid)["status"] == "ready", 60)
        return rid

    def hold(self, devices):
        """These are told and do not finish, until they are told something else."""
        self.fleet.hold = set(devices)

    def fail(self, devices):
        """The install of the new release fails on these."""
        self.fleet.fails = set(devices)

    def misbehave(self):
        self.fleet.loops = {self.new}

    def runs(self, device):
        """What the device itself says."""
        return self.fleet.devices[device].version

    def stop(self):
        for part in self.parts:
            part.stop()
        self.parts = []


class Drill(World):
    name = "the drill's server (as hawkBit 1.x)"
    real = False
    lacks = set()
    outsider = None
    old, new, title = "1.0", "2.0", 'Kamera 2.0 "Größe" – 測試'

    def __init__(self, folder, andon):
        self.proc = servers.Process("drill", [andon, "drill", str(HERE / "drill.yaml"), "--serve", "--speed", "1",
                                              "--seed", "1"], folder, hello=True)
        try:
            hello = json.loads(self.proc.hello())
            self.url, self.user, self.password = hello["url"], hello["user"], hello["password"]
            self.viewer = ("viewer", self.password)
            self.api = hubs.Api(int(hello["port"]), hubs.basic(self.user, self.password))
            self.telemetry = {"kind": "openmetrics", "url": hello["metrics"], "interval": "1s"}
            self.rollout_id = servers.wait_for("the drill's rollout", lambda: next(
                (r["id"] for r in self.rollouts() if r["status"] == "ready"), None), 30)
        except BaseException:
            self.stop()
            raise

    def hold(self, devices):
        """The scenario's fault `install-hangs` does it, for some of the second wave."""

    def fail(self, devices):
        """All installs of the drill end well."""

    def misbehave(self):
        """The scenario's fault starts by itself, some time after the first install."""

    def runs(self, device):
        """The drill's devices have no voice but the server's."""
        return self.installed(device)

    def stop(self):
        self.proc.stop()
