"""Devices for a real hawkBit: they speak its device API (DDI), install what they are told, and export metrics."""
import base64
import concurrent.futures
import http.client
import http.server
import json
import threading
import time
from urllib.parse import quote

TOKEN = "conformance"


class Api:
    """One keep-alive connection for each thread."""
    def __init__(self, port, auth):
        self.port, self.auth, self.local = port, auth, threading.local()

    def call(self, method, path, body=None):
        data = json.dumps(body) if body is not None else None
        headers = {"Accept": "application/json", "Authorization": self.auth}
        if data is not None:
            headers["Content-Type"] = "application/json"
        for again in (True, False):
            conn = getattr(self.local, "conn", None)
            if conn is None:
                conn = self.local.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                conn.request(method, path, data, headers)
                r = conn.getresponse()
                raw = r.read()
                return r.status, json.loads(raw) if raw else None
            except (http.client.HTTPException, OSError):
                self.local.conn = None
                if not again:
                    raise

    def ok(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert status in (200, 201, 204), (method, path, status, answer)
        return answer


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Device:
    """`attributes`: what it tells the server of itself when it is asked to."""
    def __init__(self, name, attributes):
        self.name, self.attributes, self.version, self.boots, self.ticks = name, attributes, None, 1, 0

    def cpu(self):
        return 0.30 + 0.001 * (hash_of(self.name) % 40)

    def sensor(self, at):
        return 20 + (hash_of(f"{self.name} {int(at)}") % 1000) / 1000


def hash_of(s):
    h = 2166136261
    for b in s.encode():
        h = (h ^ b) * 16777619 & 0xffffffff
    return h


class Fleet:
    """`devices` talk to the server; the metrics are those of all `known`. `hold`: devices that are told `bad` and do not
    finish it; `fails`: those whose install of it fails. `loops`: releases whose devices restart each second; `looping`:
    devices that do."""
    def __init__(self, port, devices):
        self.api = Api(port, f"GatewayToken {TOKEN}")
        self.devices = {n: Device(n, a) for n, a in devices.items()}
        self.known = dict(self.devices)
        self.bad, self.hold, self.fails, self.loops, self.looping = None, set(), set(), set(), set()
        self.ending = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(6)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.metrics = Metrics(self)

    def start(self):
        self.thread.start()

    def stop(self):
        self.ending.set()
        if self.thread.is_alive():
            self.thread.join()
        self.pool.shutdown()
        self.metrics.stop()

    def run(self):
        while not self.ending.wait(0.25):
            list(self.pool.map(self.turn, list(self.devices.values())))

    def link(self, answer, rel):
        found = (answer or {}).get("_links", {}).get(rel)
        return "/" + found["href"].split("://", 1)[1].split("/", 1)[1] if found else None

    def feedback(self, dev, kind, action, execution, finished):
        self.api.call("POST", f"/DEFAULT/controller/v1/{quote(dev.name, safe='')}/{kind}/{action}/feedback",
                      {"id": action, "status": {"execution": execution, "result": {"finished": finished}, "details": []}})

    def turn(self, dev):
        dev.ticks += 1
        if (dev.version in self.loops or dev.name in self.looping) and dev.ticks % 4 == 0:
            dev.boots += 1
        status, answer = self.api.call("GET", f"/DEFAULT/controller/v1/{quote(dev.name, safe='')}")
        if status != 200:
            return
        about = self.link(answer, "configData")
        if about and dev.attributes:
            self.api.call("PUT", about, {"mode": "merge", "data": dev.attributes})
        cancel = self.link(answer, "cancelAction")
        if cancel:
            _, c = self.api.call("GET", cancel)
            self.feedback(dev, "cancelAction", c["cancelAction"]["stopId"], "closed", "success")
            return
        deploy = self.link(answer, "deploymentBase")
        if not deploy:
            return
        action = deploy.split("?")[0].rsplit("/", 1)[1]
        _, base = self.api.call("GET", deploy)
        version = base["deployment"]["chunks"][0]["version"]
        if dev.name in self.hold and version == self.bad:
            return
        if dev.name in self.fails and version == self.bad:
            self.feedback(dev, "deploymentBase", action, "closed", "failure")
            return
        dev.version = version
        dev.boots += 1
        self.feedback(dev, "deploymentBase", action, "closed", "success")


def label(value):
    """As it stands between the quotes of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def history(devices, labels, seconds, step, boots):
    """What the metrics page would have shown until now, as OpenMetrics with times; boots(device, seconds ago)."""
    now = time.time()
    times = [now - s for s in range(seconds, 0, -step)]
    out = ["# TYPE device_reboots counter"]
    out += [f'device_reboots_total{{device="{label(d.name)}",{labels}}} {boots(d, now - t)} {t:.3f}'
            for d in devices for t in times]
    out += ["# TYPE device_cpu_ratio gauge"]
    out += [f'device_cpu_ratio{{device="{label(d.name)}",{labels}}} {d.cpu():.4f} {t:.3f}' for d in devices for t in times]
    out += ["# TYPE device_sensor_value gauge"]
    out += [f'device_sensor_value{{device="{label(d.name)}",{labels}}} {d.sensor(t):.4f} {t:.3f}'
            for d in devices for t in times]
    return "\n".join(out) + "\n# EOF\n"


class Metrics:
    """The devices' metrics page, under the names of andon's `device` preset."""
    def __init__(self, fleet):
        class Page(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                devices, now = [(label(n), d) for n, d in list(fleet.known.items())], time.time()
                out = ["# TYPE device_reboots counter"]
                out += [f'device_reboots_total{{device="{n}"}} {d.boots}' for n, d in devices]
                out += ["# TYPE device_cpu_ratio gauge"]
                out += [f'device_cpu_ratio{{device="{n}"}} {d.cpu():.4f}' for n, d in devices]
                out += ["# TYPE device_sensor_value gauge"]
                out += [f'device_sensor_value{{device="{n}"}} {d.sensor(now):.4f}' for n, d in devices]
                body = ("\n".join(out) + "\n# EOF\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
