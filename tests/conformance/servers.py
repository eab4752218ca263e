"""Real servers for the conformance run, on loopback: Eclipse hawkBit and Prometheus. Each is ended by its pid."""
import atexit
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

LIBC = ctypes.CDLL(None)
HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("ANDON_CONFORMANCE_CACHE") or HERE.parent.parent / "build" / "conformance")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, check, seconds, every=0.1):
    """Polls a condition until it holds; its value. Ends with an error that names what was waited for."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (OSError, urllib.error.URLError) as e:
            last = e
        time.sleep(every)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}; last: {last!r}")


class Process:
    """A child that does not outlive this program: it is ended by stop(), at exit, and by the kernel when this program
    is killed. `hello`: its first line of output is for us."""
    def __init__(self, name, argv, cwd, hello=False):
        self.name, self.log = name, pathlib.Path(cwd) / f"{name}.log"
        with open(self.log, "wb") as out:
            self.p = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stderr=out,
                                      stdout=subprocess.PIPE if hello else out, preexec_fn=end_with_parent)
        atexit.register(self.stop)

    def hello(self):
        line = self.p.stdout.readline()
        if not line:
            self.p.wait(10)
            self.alive()
        return line

    def alive(self):
        if self.p.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.p.returncode}:\n" + self.tail())
        return True

    def tail(self, n=2000):
        return self.log.read_bytes()[-n:].decode("utf-8", "replace")

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(10)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()


def end_with_parent():
    """In the child: SIGTERM when the parent dies (PR_SET_PDEATHSIG), whatever it dies of."""
    LIBC.prctl(1, signal.SIGTERM, 0, 0, 0)


def java():
    for j in ("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "/usr/lib/jvm/java-17-openjdk-arm64/bin/java"):
        if os.access(j, os.X_OK):
            return j
    return shutil.which("java")


def class_path():
    """Compiles the server's main class and resolves its class path, once."""
    build = CACHE / "hawkbit"
    cp = build / "class-path.txt"
    sources = [HERE / "hawkbit" / "pom.xml", HERE / "hawkbit" / "src/main/java/andon/Server.java"]
    if not cp.exists() or any(s.stat().st_mtime > cp.stat().st_mtime for s in sources):
        shutil.rmtree(build, ignore_errors=True)
        shutil.copytree(HERE / "hawkbit", build)
        r = subprocess.run(["mvn", "-B", "-q", "-ntp", "compile", "dependency:build-classpath",
                            f"-Dmdep.outputFile={cp}"], cwd=build, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if r.returncode != 0:
            cp.unlink(missing_ok=True)
            raise RuntimeError("Maven could not build the server:\n" + r.stdout[-3000:])
    return f"{build / 'target' / 'classes'}:{cp.read_text().strip()}"


class Hawkbit:
    """users: admin/admin may do everything, viewer/viewer may read targets only."""
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        users = []
        for i, (name, rights) in enumerate([("admin", "ALL"), ("viewer", "READ_TARGET")]):
            pre = f"--hawkbit.server.im.users[{i}]."
            users += [pre + f"username={name}", pre + "password={noop}" + name, pre + f"firstname={name}",
                      pre + f"lastname={name}", pre + f"email={name}@localhost", pre + f"permissions={rights}"]
        self.proc = Process("hawkbit", [
            java(), "-Xmx1200m", "-XX:TieredStopAtLevel=1", "-cp", class_path(), "andon.Server",
            "--spring.main.allow-bean-definition-overriding=true", "--server.address=127.0.0.1",
            f"--server.port={self.port}", "--hawkbit.rollout.scheduler.fixedDelay=200", "--hawkbit.cache.ttl=0s",
            f"--org.eclipse.hawkbit.repository.file.path={folder}/artifacts", *users], folder)

    def wait(self):
        req = urllib.request.Request(self.url + "/rest/v1/rollouts?limit=1",
                                     headers={"Authorization": "Basic YWRtaW46YWRtaW4="})
        wait_for("hawkBit", lambda: self.proc.alive() and urllib.request.urlopen(req, timeout=5).status == 200, 120, 0.25)


class Prometheus:
    """Scrapes pages on loopback every second; pages: {job: port}. `past`: history to begin with, as OpenMetrics."""
    def __init__(self, folder, pages, past, port=None):
        self.folder, self.port = pathlib.Path(folder), port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (self.folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n" +
            "".join(f"- {{job_name: {job}, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
                    for job, port in pages.items()))
        (self.folder / "past").write_text(past)
        r = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", "past", "tsdb"], cwd=folder,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        if r.returncode != 0:
            raise RuntimeError("promtool could not write the history:\n" + r.stdout[-2000:])
        self.start()

    def start(self):
        """Also after a stop: on the same data."""
        self.proc = Process("prometheus", [
            shutil.which("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], self.folder)

    def stop(self):
        self.proc.stop()

    def wait(self):
        wait_for("Prometheus", lambda: self.proc.alive() and
                 urllib.request.urlopen(self.url + "/-/ready", timeout=5).status == 200, 60)

    def ask(self, query):
        """The values of an instant query, by their labels: [({label: value}, value)]."""
        url = f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(url, timeout=5) as r:
            return [(v["metric"], float(v["value"][1])) for v in json.load(r)["data"]["result"]]


class Link:
    """A way to a server on loopback that can be cut: then connections end, and new ones end at once."""
    def __init__(self, port):
        self.to, self.whole, self.ends, self.lock = port, True, set(), threading.Lock()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.sock.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to), 5) if self.whole else None
            except OSError:
                far = None
            if not far:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.ends |= {near, far}
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        self.end([a, b])

    def end(self, ends):
        for s in ends:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            with self.lock:
                self.ends.discard(s)

    def cut(self):
        self.whole = False
        self.end(list(self.ends))

    def mend(self):
        self.whole = True

    def stop(self):
        self.sock.close()
        self.cut()


def scratch():
    d = tempfile.mkdtemp(prefix="andon-conformance-")
    if not os.environ.get("ANDON_KEEP"):
        atexit.register(shutil.rmtree, d, True)
    return d
