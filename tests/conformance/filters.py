"""A roll back's filters on a real hawkBit: releases whose names hold `*`, backslashes and quotes, 200 devices with odd ids, devices
of nearly the same names outside of the rollout that have the bad release too, and most devices to be named, since their
install failed. Everybody who was told is back, nobody else was told anything."""
from urllib.parse import quote

import hubs
import servers
import steps
import worlds

POLICY = """\
window: 60s
grace: 2s
install_time: 60s
rollback_to: previous
drain: 2s
"""
# No backslash, no semicolon: this server's own paths refuse them, so that no such device ever talks to it.
KINDS = ("cam-{:03d}", 'cam-*-{:03d}', 'cam-"x"-{:03d}', "cam-(,=)-{:03d}", "cam-'é'-{:03d}")


class Odd(worlds.Real):
    name = "hawkBit 0.3.0M7, odd names"
    old, new, title = "1*\\0", '2.* "\\"', "odd"

    def set_up(self, folder):
        self.hb = servers.Hawkbit(folder)
        self.parts.append(self.hb.proc)
        self.names = [KINDS[i % len(KINDS)].format(i) for i in range(200)]
        # Each is what a wildcard in the place of a star would find.
        self.outsiders = ["cam-X-001", "cam-XX-006", "out-*", "out-X"]
        self.fleet = hubs.Fleet(self.hb.port, {n: {} for n in [*self.names, *self.outsiders]})
        self.parts.insert(0, self.fleet)
        self.hb.wait()
        self.url, self.user, self.password = self.hb.url, "admin", "admin"
        self.api = hubs.Api(self.hb.port, hubs.basic("admin", "admin"))
        for key, value in (("authentication.gatewaytoken.enabled", True), ("authentication.gatewaytoken.key", hubs.TOKEN)):
            self.api.ok("PUT", f"/rest/v1/system/configs/{key}", {"value": value})
        self.telemetry = {"kind": "openmetrics", "url": f"http://127.0.0.1:{self.fleet.metrics.port}/metrics", "interval": "1s"}
        # The outsiders come later: the rollout's filter finds the others only.
        self.api.ok("POST", "/rest/v1/targets", [{"controllerId": n, "name": n} for n in self.names])
        self.releases = {v: self.release(v) for v in (self.old, self.new)}
        self.fleet.bad = self.new
        for n in self.names:
            self.assign(n, self.old)
        self.rollout_id = self.create(self.title, self.new, [("all", 100)], "*")
        self.api.ok("POST", "/rest/v1/targets", [{"controllerId": n, "name": n} for n in self.outsiders])
        for n in self.outsiders:
            self.assign(n, self.new)
        self.fleet.fails = set(self.names[20:])
        self.fleet.start()

    def assign(self, device, version):
        """As installed already, without telling the device."""
        self.api.ok("POST", f"/rest/v1/targets/{quote(device, safe='')}/assignedDS?offline=true",
                    {"id": self.releases[version]})
        self.fleet.devices[device].version = version


class Filters(steps.Steps):
    def __init__(self, program, world, folder):
        super().__init__(program, world, folder, POLICY)

    def rid(self):
        return str(self.w.rollout_id)

    def most_devices_fail(self):
        self.andon("start", self.rid(), "--yes")
        w = self.w
        servers.wait_for("the answers", lambda: all(w.installed(d) == w.new for d in w.names[:20]) and
                         w.rollout()["totalTargetsPerStatus"]["error"] == len(w.names) - 20, 120)

    def roll_back(self):
        to = f"Kamera (ä):{self.w.old}"
        p = self.json("rollback", self.rid(), "--to", to, "--preview")
        assert p["devices"] == len(self.w.names), p
        self.andon("rollback", self.rid(), "--to", to, "--reason", "most devices fail", "--confirm", p["phrase"], "--wait")

    def made(self):
        return [r for r in self.w.rollouts() if r["name"].startswith(f"andon-rb-{self.rid()}-")]

    def named_once_and_nobody_else(self):
        told = []
        for r in self.made():
            for wave in range(len(self.w.waves(r["id"]))):
                told += self.w.members(wave, r["id"])
        assert len(self.made()) > 1, "200 names do not fit into one filter"
        assert sorted(told) == sorted(self.w.names), (set(told) ^ set(self.w.names), len(told))

    def every_device_is_back(self):
        for d in self.w.names:
            assert self.w.installed(d) == self.w.runs(d) == self.w.old, (d, self.w.installed(d), self.w.runs(d))

    def nobody_else_was_touched(self):
        for d in self.w.outsiders:
            assert self.w.installed(d) == self.w.new, (d, self.w.installed(d))
            actions = self.w.api.ok("GET", f"/rest/v1/targets/{quote(d, safe='')}/actions?limit=50")["content"]
            assert len(actions) == 1, (d, actions)

    def all(self):
        for step in (self.most_devices_fail, self.roll_back, self.named_once_and_nobody_else, self.every_device_is_back,
                     self.nobody_else_was_touched):
            self.check(step)


def run(program):
    """(passed, failed)"""
    folder = servers.scratch()
    world = Odd(folder)
    print(f"--- {world.name}", flush=True)
    try:
        part = Filters(program, world, folder)
        part.all()
        return part.passed, part.failed
    finally:
        world.stop()
