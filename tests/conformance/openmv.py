#!/usr/bin/env python3
"""A real OpenMV OTA server for the conformance run: installed by pip at a pinned version, on loopback, with releases and devices
that speak its check-in.

openmv.py record FOLDER writes what it answers to the requests of the back end: the recordings that the back end's decoder is
tested against (tests/client/openmv). No secret is in them."""
import gzip
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zlib

import servers

HERE = pathlib.Path(__file__).resolve().parent
ADMIN, PRODUCT = "/api/v1/admin", (1 << 62) + 1  # a double can't hold it


def python():
    """The interpreter of an environment that holds exactly what is asked for."""
    home, wanted = servers.CACHE / "openmv", (HERE / "openmv" / "requirements.txt").read_text()
    mark = home / "holds"
    if not mark.exists() or mark.read_text() != wanted:
        home.mkdir(parents=True, exist_ok=True)
        for step in ([sys.executable, "-m", "venv", "--clear", str(home)],
                     [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                      "-r", str(HERE / "openmv" / "requirements.txt")]):
            r = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, check=False)
            if r.returncode != 0:
                raise RuntimeError("pip could not install the OpenMV OTA server:\n" + r.stdout[-3000:])
        mark.write_text(wanted)
    return str(home / "bin" / "python")


class Openmv:
    """Tokens: admin-word may do everything, operator-word what andon needs, viewer-word may read."""
    def __init__(self, folder):
        self.port, self.token = servers.free_port(), "admin-word"
        self.url = f"http://127.0.0.1:{self.port}"
        self.proc = servers.Process("openmv", [python(), str(HERE / "openmv" / "serve.py"), str(self.port), folder], folder)

    def wait(self):
        servers.wait_for("the OpenMV OTA server", lambda: self.proc.alive() and urllib.request.urlopen(
            self.url + "/healthz", timeout=5).status == 200, 120, 0.25)

    def call(self, method, path, body=None, kind="application/json", token=None):
        headers = {"Authorization": "Bearer " + (token or self.token)}
        if body is not None:
            headers["Content-Type"] = kind
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers, method=method),
                                        timeout=60) as r:
                status, raw = r.status, r.read()
        except urllib.error.HTTPError as e:
            status, raw = e.code, e.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode("utf-8", "replace")

    def ok(self, method, path, body=None, **how):
        status, answer = self.call(method, path, body, **how)
        assert status == 200, (method, path, status, answer)
        return answer

    def publish(self, version, payload, product=PRODUCT, name="cam"):
        """A manifest as the format has it, with zeros for a signature: the server looks at none, a camera would."""
        image = (version.encode() * 400)[:1200]
        body = json.dumps({"schema": 1, "product_id": product, "product": name, "version": version,
                           "payload_version": payload, "size": len(image), "sha256": hashlib.sha256(image).hexdigest(),
                           "representations": [{"format": "full", "url": "romfs.img.gz"}]}).encode()
        manifest = struct.pack("<4sIIIIi", b"OMVM", 1, len(body), 64, 1, -7) + body + bytes(64)
        manifest += struct.pack("<I", zlib.crc32(manifest))
        form = b"".join(b'--mark\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
                        b"Content-Type: application/octet-stream\r\n\r\n%s\r\n" % (n, n, d)
                        for n, d in ((b"manifest", manifest), (b"image", gzip.compress(image)))) + b"--mark--\r\n"
        status, answer = self.call("POST", ADMIN + "/releases", form, kind="multipart/form-data; boundary=mark")
        assert status in (200, 201), (status, answer)
        return answer["release_id"]


class Device:
    """Checks in as a camera does. What it does is called step by step: no clock is in it."""
    def __init__(self, server, name, payload=1, product=PRODUCT):
        self.server, self.name, self.payload, self.product = server, name, payload, product
        self.id, self.fell, self.confirmed = "SIM:" + name, None, True

    def check_in(self):
        """The id of the release that it is offered, None."""
        answer = self.server.ok("POST", "/api/v1/check", {
            "device_id": self.name, "product_id": self.product, "board": "SIM", "product": "cam",
            "app_version": f"{self.payload}.0", "payload_version": self.payload, "fallback_reason": self.fell,
            "confirmed": self.confirmed, "slot": "a",
            "slots": [{"running": True, "payload_version": self.payload, "confirmed": self.confirmed,
                       "pending": not self.confirmed}, {"running": False, "payload_version": 0}]})
        return answer.get("release_id") if answer.get("update") else None

    def update(self, payloads, good=True):
        """`payloads` by the ids of releases."""
        offer = self.check_in()
        if offer:
            self.fell = None if good else "trial-boot-failed"
            self.payload = payloads[offer] if good else self.payload
            self.check_in()
        return offer


# --- recordings ---

SECRET = ("token", "registrar_ref", "uploaded_by", "actor", "prev_hash", "entry_hash", "image_sha256")


def blank(v):
    if isinstance(v, dict):
        return {k: "(blank)" if k in SECRET and x else blank(x) for k, x in v.items()}
    return [blank(x) for x in v] if isinstance(v, list) else v


def record(folder):
    out, home = pathlib.Path(folder), servers.scratch()
    out.mkdir(parents=True, exist_ok=True)
    s = Openmv(home)
    s.wait()

    def keep(name, method, path, body=None, **how):
        status, answer = s.call(method, path, body, **how)
        (out / f"{name}.json").write_text(json.dumps(
            {"request": {"method": method, "path": path, "body": body},
             "answer": {"status": status, "body": blank(answer)}}, indent=1) + "\n")
        return answer

    one, two, three = s.publish("1.0", 1), s.publish("2.0", 2), s.publish("3.0", 3)
    s.publish("2.0", 2, 7, "hub")
    names = ("cam-new", "cam-told", "cam-offered", "cam-done", "cam-trial", "cam-failed", "cam-fell-before", "cam-back",
             "cam-ahead", "cam two ä")
    d = {n: Device(s, n) for n in names}
    d["hub-1"] = Device(s, "hub-1", 1, 7)
    d["cam-ahead"].payload = 3
    d["cam-fell-before"].fell = "trial-boot-failed"
    for x in d.values():
        x.check_in()
    openapi = s.ok("GET", "/openapi.json")
    (out / "openapi.json").write_text(json.dumps(
        {"request": {"method": "GET", "path": "/openapi.json", "body": None},
         "answer": {"status": 200, "body": {"openapi": openapi["openapi"], "info": {
             k: openapi["info"][k] for k in ("title", "version")}}}}, indent=1) + "\n")
    keep("token-wrong", "GET", ADMIN + "/devices", token="none")
    keep("viewer", "PATCH", ADMIN + "/rollouts/ro_0", {}, token="viewer-word")
    s.token = "operator-word"
    keep("manage", "PATCH", ADMIN + "/rollouts/ro_0", {})
    keep("releases", "GET", ADMIN + "/releases?limit=1000&offset=0")
    keep("release", "GET", f"{ADMIN}/releases/{two}")
    keep("release-none", "GET", ADMIN + "/releases/rel_none")

    def pin(name, release, recording=None):
        path = f"{ADMIN}/devices/{urllib.parse.quote(d[name].id, safe='')}/pin"
        keep(recording, "PATCH", path, {"release_id": release}) if recording else s.ok("PATCH", path, {"release_id": release})

    pin("cam-told", two, "pin")
    for n in names[2:8]:
        pin(n, two)
    d["cam-offered"].check_in()
    d["cam-done"].update({two: 2})
    d["cam-trial"].check_in()
    d["cam-trial"].payload, d["cam-trial"].confirmed = 2, False
    d["cam-trial"].check_in()
    d["cam-failed"].update({two: 2}, good=False)
    d["cam-fell-before"].check_in()
    d["cam-back"].check_in()
    pin("cam-back", None, "unpin")
    pin("cam-ahead", two, "pin-older")  # 200, and it is offered nothing
    assert d["cam-ahead"].check_in() is None
    pin("cam-ahead", None)
    keep("pin-no-release", "PATCH", f"{ADMIN}/devices/SIM%3Acam-new/pin", {"release_id": "rel_none"})
    keep("device", "GET", ADMIN + "/devices/SIM%3Acam-done")
    keep("device-none", "GET", ADMIN + "/devices/SIM%3Anone")
    keep("devices", "GET", ADMIN + "/devices?sort=device&dir=asc&limit=1000&offset=0")
    keep("limit", "GET", ADMIN + "/devices?limit=1001")
    keep("audit-failed", "GET", ADMIN + "/audit?newest=true&limit=100&entity_id=SIM%3Acam-failed")
    keep("audit-fell-before", "GET", ADMIN + "/audit?newest=true&limit=100&entity_id=SIM%3Acam-fell-before")
    ro = s.ok("POST", ADMIN + "/rollouts", {"release_id": two, "cohort": "night", "percent": 0, "failure_threshold": 0.5,
                                            "display_name": "by night"})["rollout_id"]
    s.ok("POST", ADMIN + "/rollouts", {"release_id": three, "cohort": "day", "percent": 0, "failure_threshold": 0.5})
    keep("rollouts", "GET", ADMIN + "/rollouts?limit=1000&offset=0")
    keep("status", "GET", f"{ADMIN}/rollouts/{ro}/status")
    keep("off", "PATCH", f"{ADMIN}/rollouts/{ro}", {"state": "paused"})
    keep("status-paused", "GET", f"{ADMIN}/rollouts/{ro}/status")
    # A pin of one that is not there is taken, and waits for it.
    keep("pin-nobody", "PATCH", ADMIN + "/devices/SIM%3Anobody/pin", {"release_id": two})
    print(f"{len(list(out.glob('*.json')))} recordings in {out}; releases {one} {two} {three}")


if __name__ == "__main__":
    assert sys.argv[1] == "record", __doc__
    record(sys.argv[2])
