#!/usr/bin/env python3
"""record.py URL FOLDER: writes what a server answers to the requests of the Mender back end, into FOLDER (the recordings
that its decoder is tested against). The server is one with a POST /stub that makes devices and releases and with devices
that need no signed log-in (Authorization: Bearer dev:ID): a stand-in, not Mender. No secret is in what is written."""
import base64
import json
import pathlib
import sys
import urllib.error
import urllib.request

BASE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
V1, V2 = "/api/management/v1/deployments/deployments", "/api/management/v2/deployments/deployments"
INVENTORY = "/api/management/v1/inventory/devices"
KEPT = ("Content-Type", "Link", "Location", "X-Total-Count")


def call(method, path, body=None, auth=""):
    q = urllib.request.Request(BASE + path, None if body is None else json.dumps(body).encode(), method=method,
                               headers={"Content-Type": "application/json", "Authorization": auth})
    try:
        with urllib.request.urlopen(q, timeout=30) as r:
            status, headers, raw = r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        status, headers, raw = e.code, e.headers, e.read()
    try:
        return status, headers, json.loads(raw)
    except ValueError:
        return status, headers, raw.decode() or None


def log_in():
    pair = base64.b64encode(b"admin@example.org:admin-secret").decode()
    return "Bearer " + call("POST", "/api/management/v1/useradm/auth/login", auth="Basic " + pair)[2]


TOKEN = log_in()


def record(name, method, path, body=None):
    status, headers, answer = call(method, path, body, TOKEN)
    kept = {k: headers[k] for k in KEPT if headers[k]}
    (FOLDER / (name + ".json")).write_text(json.dumps({
        "request": {"method": method, "path": path, "body": body},
        "answer": {"status": status, "headers": kept, "body": answer}}, indent=1) + "\n")
    return (headers["Location"] or "").rsplit("/", 1)[-1]


def told(key, release, devices):
    return call("POST", V1, {"name": "andon " + key, "artifact_name": release, "devices": devices},
                TOKEN)[1]["Location"].rsplit("/", 1)[-1]


def device(name, method, path, body=None):
    return call(method, "/api/devices/v1/" + path, body, "Bearer dev:" + name)[2]


def asks(name, runs="fw 1.0"):
    return device(name, "GET", "deployments/device/deployments/next?artifact_name=" + runs.replace(" ", "%20"))["id"]


def says(name, deployment, word):
    device(name, "PUT", f"deployments/device/deployments/{deployment}/status", {"status": word})


def main():
    names = ["cam-a", "cam-b", "cam-c", "cam d/1", "cam-e"]
    call("POST", "/stub", {"releases": ["fw 1.0", "fw 2.0"], "devices": {n: {"artifact_name": "fw 1.0"} for n in names}})
    FOLDER.mkdir(parents=True, exist_ok=True)
    record("question", "POST", V1, {})
    record("releases", "GET", V2 + "/releases?page=1&per_page=500")
    record("devices-2", "GET", INVENTORY + "?page=2&per_page=2")
    first = record("create", "POST", V1, {"name": "andon k-1", "artifact_name": "fw 2.0", "devices": names[:4]})
    record("create-again", "POST", V1, {"name": "andon k-1", "artifact_name": "fw 2.0", "devices": names[:4]})
    record("create-unknown", "POST", V1, {"name": "andon k-2", "artifact_name": "none", "devices": names[:1]})
    for name, word in (("cam-a", "success"), ("cam-b", "failure"), ("cam-c", "installing")):
        says(name, asks(name), word)
    record("targets", "GET", f"{V1}/{first}/device_list?page=1&per_page=500")
    record("abort", "PUT", f"{V1}/{first}/status", {"status": "aborted"})
    record("abort-ended", "PUT", f"{V1}/{first}/status", {"status": "aborted"})
    record("rows-aborted", "GET", f"{V1}/{first}/devices/list?page=1&per_page=500")
    record("deployments-aborted", "GET", V2 + "?page=1&per_page=500")
    second = told("k-3", "fw 2.0", ["cam-e"])
    record("abort-400", "PUT", f"{V1}/{second}/status", {"status": "paused"})
    record("device", "GET", INVENTORY + "/cam%20d%2F1")
    record("history", "GET", V1 + "/devices/cam-c?page=1&per_page=20")


if __name__ == "__main__":
    main()
