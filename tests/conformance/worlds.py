"""The two worlds of the conformance run, behind one face: a real hawkBit with devices played over its device API and
their metrics in a real Prometheus; and the drill's server. Both hold 60 devices on firmware `cam 1.0` and a rollout of
`cam 2.0` in three waves (6, 18, 36 devices), not started; 2.0 makes devices reboot all the time once `misbehave` is
called. What the test learns of the server's state it reads here, past andon."""
import json
import pathlib
import subprocess
import time

import fleet
import servers

HERE = pathlib.Path(__file__).resolve().parent
GROUPS = [("canary", 10), ("early", 100 * 18 / 54), ("rest", 100)]  # 0.3 takes shares of what remains


class World:
    """What both share: reading the server's own answers."""
    def rollout(self):
        return self.api.ok("GET", f"/rest/v1/rollouts/{self.rollout_id}")

    def waves(self):
        groups = self.api.ok("GET", f"/rest/v1/rollouts/{self.rollout_id}/deploygroups?limit=500")["content"]
        return [self.api.ok("GET", f"/rest/v1/rollouts/{self.rollout_id}/deploygroups/{g['id']}")
                for g in sorted(groups, key=lambda g: g["id"])]

    def members(self, wave):
        group = self.waves()[wave]["id"]
        page = self.api.ok("GET", f"/rest/v1/rollouts/{self.rollout_id}/deploygroups/{group}/targets?limit=500")
        return sorted(t["controllerId"] for t in page["content"])

    def installed(self, device):
        status, body = self.api.call("GET", f"/rest/v1/targets/{device}/installedDS")
        return body["version"] if status == 200 and body else None

    def all_devices(self):
        return sorted(t["controllerId"] for t in self.api.ok("GET", "/rest/v1/targets?limit=500")["content"])


class Real(World):
    name = "hawkBit 0.3.0M7"
    # What this server cannot do; andon must show it and not try.
    lacks = {"trigger-next", "stop", "retry", "action-list"}
    first_pause_holds_devices = True

    def __init__(self, folder):
        self.hb = servers.Hawkbit(folder)
        self.names = [f"cam-{i:03d}" for i in range(60)]
        self.fleet = fleet.Fleet(self.hb.port, self.names)
        self.prom = servers.Prometheus(folder, self.fleet.metrics.port)
        self.hb.wait()
        self.prom.wait()
        self.url, self.user, self.password = self.hb.url, "admin", "admin"
        self.api = fleet.Api(self.hb.port, fleet.basic("admin", "admin"))
        self.telemetry = f"    kind: prometheus\n    url: {self.prom.url}\n    interval: 1s\n"
        for key, value in (("authentication.gatewaytoken.enabled", True), ("authentication.gatewaytoken.key", fleet.TOKEN)):
            self.api.ok("PUT", f"/rest/v1/system/configs/{key}", {"value": value})
        self.api.ok("POST", "/rest/v1/targets", [{"controllerId": n, "name": n} for n in self.names])
        self.releases = {v: self.release(v) for v in ("1.0", "2.0")}
        self.fleet.start()
        first = self.create("base", "1.0", [("all", 100)])
        self.api.ok("POST", f"/rest/v1/rollouts/{first}/start")
        servers.wait_for("all devices on 1.0", lambda: all(d.version == "1.0" for d in self.fleet.devices.values()), 60)
        servers.wait_for("the base rollout's end", lambda: self.api.ok("GET", f"/rest/v1/rollouts/{first}")["status"] == "finished", 60)
        self.rollout_id = self.create("cam 2.0", "2.0", GROUPS)

    def release(self, version):
        sm = self.api.ok("POST", "/rest/v1/softwaremodules", [{"name": "cam", "version": version, "type": "os"}])[0]["id"]
        return self.api.ok("POST", "/rest/v1/distributionsets",
                           [{"name": "cam", "version": version, "type": "os", "modules": [{"id": sm}]}])[0]["id"]

    def create(self, name, version, groups):
        cond = lambda c, e, a: {f"{c}Condition": {"condition": "THRESHOLD", "expression": e}, f"{c}Action": {"action": a, "expression": ""}}
        rid = self.api.ok("POST", "/rest/v1/rollouts", {
            "name": name, "description": name, "distributionSetId": self.releases[version], "targetFilterQuery": "controllerId==cam-*",
            "groups": [{"name": n, "description": n, "targetPercentage": p, **cond("success", "100", "NEXTGROUP"),
                        **cond("error", "50", "PAUSE")} for n, p in groups]})["id"]
        servers.wait_for("ready", lambda: self.api.ok("GET", f"/rest/v1/rollouts/{rid}")["status"] == "ready", 60)
        return rid

    def hold(self, devices):
        self.fleet.hold = set(devices)

    def misbehave(self):
        self.fleet.loops = {"2.0"}

    def stop(self):
        self.fleet.end()
        self.prom.proc.stop()
        self.hb.proc.stop()


class Drill(World):
    name = "the drill's server (as hawkBit 1.x)"
    lacks = set()

    def __init__(self, folder, andon):
        self.proc = subprocess.Popen([andon, "drill", str(HERE / "drill.yaml"), "--serve", "--speed", "1", "--seed", "1"], cwd=folder,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        hello = json.loads(self.proc.stdout.readline())
        self.url, self.user, self.password = hello["url"], hello["user"], hello["password"]
        self.api = fleet.Api(int(hello["port"]), fleet.basic(self.user, self.password))
        self.telemetry = f"    kind: openmetrics\n    url: {hello['metrics']}\n    interval: 1s\n"
        self.rollout_id = servers.wait_for("the drill's rollout", lambda: next(
            (r["id"] for r in self.api.ok("GET", "/rest/v1/rollouts?limit=50")["content"] if r["status"] == "ready"), None), 30)

    def hold(self, devices):
        """The drill's devices take some seconds to install by themselves."""

    def misbehave(self):
        """The scenario's fault starts by itself, some time after the first install."""

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(10)
