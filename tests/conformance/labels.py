"""Label sets and set-ups as fleets have them, on real stores: two jobs scrape one page of node_exporter's shape
(instance="CAM-000:9100", capitals), a firmware version as a label changes, a tenant's header is demanded. Prometheus, and
VictoriaMetrics where it is installed; the fleet server is a scripted one. Asked by `andon doctor`, which says which
devices are found and which series count."""
import http.server
import json
import os
import pathlib
import shutil
import sys
import threading
import urllib.error
import urllib.request

import own
import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import fleet  # noqa: E402
import stub  # noqa: E402

DEVICES = 200


class Page:
    """The metrics of all devices on one page. `release`: of half of them."""
    def __init__(self):
        self.release = "1.0"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                out = ["# TYPE node_boot_time_seconds gauge"]
                out += [f'node_boot_time_seconds{{instance="CAM-{i:03d}:9100",fw="{outer.release if i < DEVICES // 2 else "1.0"}"}} '
                        f"{1700000000 + i}" for i in range(DEVICES)]
                body = ("\n".join(out) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Tenants:
    """In front of a store: answers only whoever names the tenant, as Mimir does."""
    def __init__(self, url):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.headers.get("X-Scope-OrgID") != "t1":
                    status, kind, body = 401, "text/plain", b"no org id\n"
                else:
                    try:
                        with urllib.request.urlopen(url + self.path, timeout=10) as r:
                            status, kind, body = r.status, r.headers["Content-Type"], r.read()
                    except urllib.error.HTTPError as e:
                        status, kind, body = e.code, e.headers["Content-Type"], e.read()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except BrokenPipeError:  # it has heard enough
                    pass

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def victoria(folder, page):
    """A VictoriaMetrics that scrapes the page by two jobs; None where it is not installed."""
    program = shutil.which("victoria-metrics")
    if not program:
        return None
    folder = pathlib.Path(folder)
    (folder / "scrape.yml").write_text("scrape_configs:\n" + "".join(
        f"- {{job_name: {j}, honor_labels: true, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{page.port}']}}]}}\n"
        for j in ("node", "node-ha")))
    port = servers.free_port()
    proc = servers.Process("victoria", [program, f"-httpListenAddr=127.0.0.1:{port}", "-storageDataPath=vm", "-retentionPeriod=1",
                                        "-promscrape.config=scrape.yml", "-search.latencyOffset=1s"], folder)
    url = f"http://127.0.0.1:{port}"
    servers.wait_for("VictoriaMetrics", lambda: proc.alive() and urllib.request.urlopen(url + "/health", timeout=5).status == 200, 60)
    return url


def series(url, query):
    with urllib.request.urlopen(f"{url}/api/v1/query?query={query}&nocache=1", timeout=5) as r:
        return len(json.load(r)["data"]["result"])


def fleet_server():
    s = fleet.fleet(10**6)
    listed = s.answer

    def answer(method, path):
        if method == "GET" and path == "/rest/v1/targets":
            devices = [d for w in range(3) for d in s.targets(w)]
            return s.http(200, {"content": devices, "total": len(devices), "size": len(devices)})
        return listed(method, path)
    s.answer = answer
    return s


def doctor(program, server, url, keys, code):
    stub.ANDON = program
    home = stub.Home(server, f"    telemetry: {{kind: prometheus, url: \"{url}\", preset: node_exporter, cpu: up, interval: 1s{keys}}}\n")
    os.chmod(home.config, 0o600)
    r = home.run("doctor", "-o", "json")
    home.remove()
    assert r.returncode == code, (r.returncode, r.stdout, r.stderr)
    return [(c["result"], c["text"]) for c in json.loads(r.stdout)["checks"] if "telemetry" in c["subject"]]


def says(checks, result, *words):
    assert any(r == result and all(w in t for w in words) for r, t in checks), (result, words, checks)


JOIN = ", join: {strip_port: true, lower: true}"


def store(program, server, name, url, page, tally):
    def found_by_none():
        c = doctor(program, server, url, "", 1)
        says(c, "fail", "reboots: 400 series, 0 of them are devices of this fleet", 'instance="CAM-000:9100"')
        says(c, "note", "with `strip_port: true, lower: true` 200 of the 200 devices would be found (0 are now)")

    def found_by_all():
        c = doctor(program, server, url, JOIN, 1)  # `up` is of other devices
        says(c, "ok", "reboots: 400 series, figures of 200 of the 200 devices")
        says(c, "ok", "200 of the 200 devices are found by the label, without its port, capitals or not")
        says(c, "note", "reboots: 200 devices have several series", '"job":"node', "the newest sample's counts")
        says(c, "ok", "reboots: e.g. cam-", '"instance":"CAM-')
        says(c, "ok", "the newest sample is")
        assert not any("now one series has the newest sample" in t for _, t in c), c
        assert any("its clock and the fleet server's" in t or "its clock is from" in t for _, t in c), c

    def a_release_changes():
        page.release = "2.0"
        servers.wait_for("the new release", lambda: series(url, "node_boot_time_seconds%7Bfw%3D%222.0%22%7D") == DEVICES, 30)
        says(doctor(program, server, url, JOIN, 1), "ok", "figures of 200 of the 200 devices")
        page.release = "1.0"

    def a_tenant():
        t = Tenants(url)
        says(doctor(program, server, t.url, JOIN, 4), "fail", "refuses the query (401)")
        says(doctor(program, server, t.url, JOIN + ", tenant: t1", 1), "ok", "figures of 200 of the 200 devices")
        says(doctor(program, server, t.url, JOIN + ", headers: {X-Scope-OrgID: t1}", 1), "ok", "figures of 200 of the 200 devices")
        t.server.shutdown()
    servers.wait_for("the scrapes", lambda: series(url, "node_boot_time_seconds") == 2 * DEVICES, 60)
    for case in (found_by_none, found_by_all, a_tenant, a_release_changes):
        tally.case(f"{name}: {case.__name__.replace('_', ' ')}", case)


def run(program):
    """(passed, failed)"""
    tally, page, server = stub.Tally(), Page(), fleet_server()
    folder = servers.scratch()
    prom = servers.Prometheus(folder, {"node": page.port, "node-ha": page.port}, "# EOF\n")
    prom.wait()
    store(program, server, "Prometheus", prom.url, page, tally)
    prom.stop()
    vm = victoria(folder, page)
    if vm:
        store(program, server, "VictoriaMetrics", vm, page, tally)
    else:
        print("labels: no VictoriaMetrics here, left out")
    server.close()
    own.run(program, tally)
    print(f"labels: {tally.passed} passed, {tally.failed} failed")
    return tally.passed, tally.failed


if __name__ == "__main__":
    sys.exit(1 if run(os.path.abspath(sys.argv[1]))[1] else 0)
