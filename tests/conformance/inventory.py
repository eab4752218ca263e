"""The inventory of a real hawkBit, counted by filters: values in other capitals, devices
without one, a value that no rule knows, silent devices, rows; and no list of devices is ever read for a count. Then what to
roll out there, in which waves, and how long it took, by censuses before and after a rollout that is halted."""
import hashlib
import json
import os
import pathlib
import re
import urllib.parse

import hubs
import servers
import steps
import worlds

RULES = """\
model: {attribute: hw_model}
devices: rows.csv
rules:
- match: {model: gate}
  class: safety-critical
- exposure: {attribute: net_zone, internet: [dmz], site: [lan]}
  location: {attribute: site}
  signature: {attribute: fw_signed, valid: ["ok"]}
"""
KINDS = [("gate", {"hw_model": "gate", "net_zone": "dmz", "site": "a", "fw_signed": "ok"}, 5),
         ("gate", {"hw_model": "GATE", "net_zone": "lan", "fw_signed": "no"}, 3),
         ("valve", {"hw_model": "valve", "site": "b"}, 2),
         ("", {"site": "c"}, 2)]


class Stock(worlds.Real):
    name = "hawkBit 0.3.0M7, inventory"
    old, new, title = "1.0", "2.0", "inventory"

    def set_up(self, folder):
        self.hb = servers.Hawkbit(folder)
        self.parts.append(self.hb.proc)
        self.devices, n = {}, 0
        for _, attributes, count in KINDS:
            for _ in range(count):
                self.devices[f"dev-{n:02d}"] = attributes
                n += 1
        self.silent = ["dev-90", "dev-91"]
        self.fleet = hubs.Fleet(self.hb.port, self.devices)
        self.parts.insert(0, self.fleet)
        self.hb.wait()
        self.url, self.user, self.password = self.hb.url, "admin", "admin"
        self.api = hubs.Api(self.hb.port, hubs.basic("admin", "admin"))
        for key, value in (("authentication.gatewaytoken.enabled", True), ("authentication.gatewaytoken.key", hubs.TOKEN)):
            self.api.ok("PUT", f"/rest/v1/system/configs/{key}", {"value": value})
        self.telemetry = {"kind": "openmetrics", "url": f"http://127.0.0.1:{self.fleet.metrics.port}/metrics", "interval": "1s"}
        self.api.ok("POST", "/rest/v1/targets", [{"controllerId": n, "name": n} for n in [*self.devices, *self.silent]])
        self.releases = {v: self.release(v) for v in (self.old, self.new)}
        for n in [*self.devices, self.silent[0]]:
            version = self.new if n == "dev-00" else self.old
            self.api.ok("POST", f"/rest/v1/targets/{n}/assignedDS?offline=true", {"id": self.releases[version]})
            if n in self.fleet.devices:
                self.fleet.devices[n].version = version
        self.fleet.start()


class Counts(steps.Steps):
    def look(self, *words):
        trace = pathlib.Path(self.folder) / "inventory.trace"
        if trace.exists():
            trace.unlink()
        found = self.json("inventory", "--trace", str(trace), *words)["inventory"][0]
        sent = [json.loads(line) for line in trace.read_text().splitlines()]
        paths = [e["path"] for e in sent if e.get("event") == "sent" and e.get("path", "").startswith("/rest/v1/targets?") and "attribute" in e["path"]]
        return found, paths

    def attributes_have_come(self):
        servers.wait_for("the attributes", lambda: all(
            self.w.api.ok("GET", f"/rest/v1/targets/{n}/attributes") for n in self.w.devices), 120)

    def counted_without_a_list(self):
        found, paths = self.look()
        assert paths and all("limit=1" in re.split("[?&]", p) for p in paths), paths
        models = {m["model"]: m for m in found["models"]}
        assert {k: m["devices"] for k, m in models.items()} == {"gate": 8, "valve": 2, None: 4}, models
        gate = models["gate"]
        assert gate["exposure"] == {"internet": 5, "site": 3, "isolated": 0, "unknown": 0}, gate["exposure"]
        assert gate["class"]["safety-critical"] == 8, gate["class"]
        assert gate["fields"]["location"]["known"] == 5, gate["fields"]["location"]
        signed = {v["value"]: v["devices"] for v in gate["fields"]["signature"]["values"]}
        assert signed == {"verified": 5, "invalid": 3}, signed
        assert gate["reporting"] == {"version": 8, "state": 8, "signature": 8, "all": 8}, gate["reporting"]
        assert models["valve"]["reporting"]["all"] == 0 and models["valve"]["fields"]["location"]["known"] == 0, models["valve"]  # in no zone: no filter finds them
        assert found["empty"]["release"] == 1 and found["devices"] == 14, found["empty"]
        assert any(c["release"].endswith(":2.0") and c["devices"] == 1 for c in found["cells"] if c["release"])

    def rows_and_conflicts(self):
        found, _ = self.look()
        owners = {v["value"]: v["devices"] for m in found["models"] for v in m["fields"]["owner"]["values"]}
        assert owners == {"ward": 2}, owners
        assert [(c["field"], c["overlay"], c["device"], c["devices"]) for c in found["conflicts"]] == [
            ("model", "pump", "gate", 1)], found["conflicts"]

    def silent_by_name(self):
        found, _ = self.look("--blind")
        named = {n for m in found["models"] for n in m["not_reporting"]}
        # The silent one has no attribute that the rules divide by: no filter finds it, and that is said.
        assert not named & set(self.w.devices) and "found by no filter" in found["note"], (named, found["note"])

    def all(self):
        for step in (self.attributes_have_come, self.counted_without_a_list, self.rows_and_conflicts, self.silent_by_name):
            self.check(step)


NAME = "Kamera (ä)"


class Exposed(Counts):
    """An exploited vulnerability that 1.0 has and 2.0 has not."""
    def import_world(self):
        self.env = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state-home")}
        r = self.andon("queue", expect=1)
        assert "nothing was imported" in r.stderr, r.stderr
        world = self.folder / "intel"
        for folder in ("sbom", "osv/npm"):
            (world / folder).mkdir(parents=True)
        # One SBOM is named after its release, the other is found by what is noted at the release on the server.
        for name, part in ((f"{urllib.parse.quote(NAME, safe='')}_1.0", "1.2.0"), ("second", "1.3.0")):
            text = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
                {"type": "library", "name": "quill", "version": part, "purl": f"pkg:npm/quill@{part}"}]})
            (world / f"sbom/{name}.cdx.json").write_text(text)
        (world / "osv/npm/X-1.json").write_text(json.dumps({
            "schema_version": "1.6.0", "id": "X-1", "modified": "2026-01-02T00:00:00Z", "published": "2026-01-02T00:00:00Z",
            "aliases": ["CVE-2026-1001"], "affected": [{"package": {"ecosystem": "npm", "name": "quill"}, "ranges": [
                {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}]}]}))
        (world / "kev.json").write_text(json.dumps({
            "title": "x", "catalogVersion": "2026.01.03", "dateReleased": "2026-01-03T00:00:00Z", "count": 1,
            "vulnerabilities": [{"cveID": "CVE-2026-1001", "dateAdded": "2026-01-03", "dueDate": "2026-01-24",
                                 "knownRansomwareCampaignUse": "Unknown"}]}))
        r = self.andon("intel", "import", str(world), expect=1)
        assert "its name tells no release" in r.stderr and "andon.sbom" in r.stderr, r.stderr
        where = f"/rest/v1/distributionsets/{self.w.releases['2.0']}/metadata"
        self.w.api.ok("POST", where, [{"key": "andon.sbom", "value": "sha256:" + "0" * 64}])
        r = self.andon("intel", "import", str(world), "--all", expect=1)
        assert "its name tells no release" in r.stderr and f"the SBOM of {NAME}:2.0 is sha256:000" in r.stderr, r.stderr
        self.w.api.ok("PUT", where + "/andon.sbom", {"key": "andon.sbom",
                                                     "value": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}; of the build"})
        r = self.andon("intel", "import", str(world), "--all")
        assert "2 records" in r.stdout, r.stdout

    def row(self):
        (row,) = [r for r in self.json("queue")["rows"] if r["kind"] == "step"]
        return row

    def a_step_with_its_exposure(self):
        row = self.row()
        assert (row["from"], row["to"], row["rollout"]) == (f"{NAME}:1.0", f"{NAME}:2.0", None) or not row["rollout"], row
        assert row["devices"] == 12 and row["exposure"]["internet"] == 4 and row["exposure"]["site"] == 3, row

    def waves_that_the_server_finds(self):
        step = self.json("plan", "step", str(self.row()["number"]))
        waves = {w["exposure"]: w for w in step["waves"]}
        assert [w["exposure"] for w in step["waves"]] == ["internet", "unknown", "site"], step
        assert waves["internet"]["safety_critical"] == 4, waves
        for word in ("internet", "site"):
            found = sum(self.w.api.ok("GET", "/rest/v1/targets?limit=1&q=" + urllib.parse.quote(q))["total"]
                        for q in waves[word]["filters"])
            assert found == waves[word]["devices"], (word, found, waves[word])

    def a_census_before(self):
        (fleet,) = self.json("census")["fleets"]
        assert fleet["devices"] == 12 and fleet["gone"] == 0, fleet
        (v,) = self.json("report", "time-to-patch")["parts"]["vulnerabilities"]["rows"]
        assert (v["pairs"], v["patched"], v["open"]) == (12, 0, 12), v

    def the_queue_follows_the_rollout_and_its_halt(self):
        self.rid = self.w.create("fix", self.w.new, [("first", 30), ("rest", 100)], devices="dev-0*")
        groups = self.w.api.ok("GET", f"/rest/v1/rollouts/{self.rid}/deploygroups")["content"]
        self.first = {t["controllerId"] for t in self.w.api.ok(
            "GET", f"/rest/v1/rollouts/{self.rid}/deploygroups/{groups[0]['id']}/targets")["content"]}
        self.w.fleet.bad = self.w.new
        self.w.hold([n for n in self.w.devices if n not in self.first])
        assert self.row()["state"] == "waiting", self.row()
        self.andon("start", str(self.rid), "--yes")
        assert self.row()["state"] == "running", self.row()
        servers.wait_for("the first wave's installs", lambda: all(self.w.installed(n) == self.w.new for n in self.first), 60)
        warned = self.andon("rollback", str(self.rid), "--to", f"{NAME}:1.0", "--preview", expect=(0, 3)).stdout
        assert f"{NAME}:1.0 has CVE-2026-1001, which is exploited" in warned, warned
        self.andon("halt", str(self.rid), "--reason", "it burns")
        row = self.row()
        assert row["state"] == "halted" and row["halted_fix"] == f"{NAME}:2.0", row
        self.patched = len(self.first - {"dev-00"})
        assert row["devices"] == 12 - self.patched, row

    def how_long_it_took(self):
        self.andon("census")
        (v,) = self.json("report", "time-to-patch")["parts"]["vulnerabilities"]["rows"]
        assert (v["pairs"], v["patched"], v["open"], v["gone"]) == (12, self.patched, 12 - self.patched, 0), v
        gone = next(n for n in self.w.devices if n not in self.first and n != "dev-00")
        self.w.fleet.devices.pop(gone)  # one that still polled would be made anew
        servers.wait_for("the device to be gone", lambda: self.w.api.call("DELETE", f"/rest/v1/targets/{gone}")[0] == 404, 30)
        self.andon("census")
        (v,) = self.json("report", "time-to-patch")["parts"]["vulnerabilities"]["rows"]
        assert (v["patched"], v["gone"]) == (self.patched, 1), v
        assert len(self.json("audit", "show", "--kind", "report")["entries"]) >= 3

    def all(self):
        for step in (self.import_world, self.a_step_with_its_exposure, self.waves_that_the_server_finds, self.a_census_before,
                     self.the_queue_follows_the_rollout_and_its_halt, self.how_long_it_took):
            self.check(step)


def run(program):
    """(passed, failed)"""
    folder = servers.scratch()
    world = Stock(folder)
    print(f"--- {world.name}", flush=True)
    try:
        part = Counts(program, world, folder, "bake: 1h\n")
        for name, text in (("inventory.yaml", RULES),
                           ("rows.csv", "device,owner,model\ndev-00,ward,pump\ndev-06,ward,\nnobody,x,\n")):
            (part.folder / name).write_text(text)
            (part.folder / name).chmod(0o600)
        part.configure("config", world.url, world.user, world.password, inventory="inventory.yaml")
        part.all()
        print("--- what to roll out there, and how long it took", flush=True)
        exposed = Exposed(program, world, folder, "bake: 1h\n")
        exposed.configure("config", world.url, world.user, world.password, inventory="inventory.yaml")
        exposed.all()
        return part.passed + exposed.passed, part.failed + exposed.failed
    finally:
        world.stop()
