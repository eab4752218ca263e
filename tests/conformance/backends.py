"""The back ends' calls against servers that have no waves of their own: each server on loopback, and a program of the
unit tests that tells devices, takes it back, and plays the devices (tests/client/test_*_live.c)."""
import json
import os
import pathlib
import subprocess
import time

import awsiot
import goosebit
import mender
import openmv
import servers


def start_goosebit():
    server = goosebit.Goosebit(servers.scratch())
    server.wait()
    server.upload("1.0")
    server.upload("2.0")
    return server.proc.stop, {"ANDON_GOOSEBIT": server.url, "ANDON_GOOSEBIT_SECRET": "operator-word"}


def start_awsiot():
    server = awsiot.start()
    return server.shutdown, {
        "ANDON_AWSIOT": f"http://127.0.0.1:{server.server_port}",
        "ANDON_AWSIOT_SECRET": json.dumps({"AccessKeyId": "ASIATEMP", "SecretAccessKey": "temp-word",
                                           "SessionToken": "temp-token"})}


def start_mender():
    server = mender.start()
    return server.shutdown, {"ANDON_MENDER": f"http://127.0.0.1:{server.server_port}",
                             "ANDON_MENDER_SECRET": "operator-word"}


def start_openmv():
    server = openmv.Openmv(servers.scratch())
    server.wait()
    for payload in (1, 2, 3):
        server.publish(f"{payload}.0", payload)
    return server.proc.stop, {"ANDON_OPENMV": server.url, "ANDON_OPENMV_SECRET": "operator-word"}


KINDS = {"goosebit": (start_goosebit, "a real server"), "awsiot": (start_awsiot, "a stand-in that checks signatures"),
         "mender": (start_mender, "a stand-in"), "openmv": (start_openmv, "a real server")}


def run(program):
    """How many passed and failed."""
    results = [0, 0]
    for kind, (start, where) in KINDS.items():
        began, words = time.monotonic(), ""
        try:
            stop, names = start()
            r = subprocess.run([str(pathlib.Path(program).parent / "tests/client" / f"test_{kind}_live")],
                               env={**os.environ, **names}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
            stop()
            if r.returncode != 0 or "the story was played to its end" not in r.stdout:
                words = r.stdout[-3000:]
        except Exception as e:  # every kind of failure is one of this kind
            words = f"{type(e).__name__}: {e}"
        results[bool(words)] += 1
        print(f"{'FAIL' if words else 'ok'}    back end {kind} on {where} ({time.monotonic() - began:.1f} s)",
              flush=True)
        if words:
            print(words)
    return tuple(results)
