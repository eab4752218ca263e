#!/usr/bin/env python3
"""A plug-in that misbehaves as its first argument says; well behaved in all else. Once only where a file is named as its
second argument: it is made, and the next process behaves."""
import ctypes
import json
import os
import signal
import sys

mode = sys.argv[1]
once = sys.argv[2] if len(sys.argv) > 2 else None
if once and os.path.exists(once):
    mode = "well"


def say(text, end="\n"):
    sys.stdout.write(text + end)
    sys.stdout.flush()


def ok(q, **more):
    say(json.dumps({"id": q["id"], "ok": True, **more}))


def mark():
    if once:
        open(once, "w").close()


def hello(q):
    server = ""
    if mode == "sandbox":
        def tries(f):
            try:
                return f() or "yes"
            except OSError as e:
                return os.strerror(e.errno)
        server = json.dumps({
            "fds": [fd for fd in range(64) if tries(lambda: os.fstat(fd).st_ino and None) == "yes"],
            "env": sorted(os.environ), "nnp": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
            "read": tries(lambda: open(q["config"]["options"]["probe"]).close()),
            "kill": tries(lambda: os.kill(os.getppid(), 0)), "cwd": os.getcwd()})
        say(json.dumps({"id": q["id"], "ok": True, "proto": 1, "name": "h", "version": "1", "caps": [], "user": "",
                        "server": "", "says": {k: server[110 * i:110 * i + 110] for i, k in enumerate(("pause", "stop", "rollback", "recall", "counts"))}}))
        return
    if mode == "proto":
        ok(q, proto=2, caps=[])
    elif mode == "caps":
        ok(q, proto=1, caps=["tell", "fly"])
    elif mode == "refuses":
        say(json.dumps({"id": q["id"], "ok": False, "code": "denied", "message": "who \x1b[2J are you"}))
    elif mode == "secret":
        secret = globals().get("word") or os.fdopen(3).read()
        print("the secret is " + secret, file=sys.stderr, flush=True)
        globals()["word"] = secret
        ok(q, proto=1, caps=["device"], user="digest-%d" % len(secret), name=secret and "h", version="1 for " + secret)
    else:
        ok(q, proto=1, name="h", version="1", caps=["tell", "recall", "device", "attributes"],
           limits={"parallel": 2, "tell": 50, "ids": 500})


BAD = {
    "garbage": lambda q: say("Traceback (most recent call last): \x1b[31m\x00\xff"),
    "empty": lambda q: say(""),
    "list": lambda q: say("[1]"),
    "deep": lambda q: say('{"id":%d,"ok":true,"x":%s1%s}' % (q["id"], "[" * 1000, "]" * 1000)),
    "double": lambda q: say('{"id":%d,"id":%d,"ok":true,"items":[]}' % (q["id"], q["id"])),
    "unknown": lambda q: say('{"id":987654,"ok":true}'),
    "noid": lambda q: say('{"ok":true}'),
    "nook": lambda q: say('{"id":%d,"items":[]}' % q["id"]),
    "long": lambda q: say('{"id":%d,"ok":true,"x":"%s"}' % (q["id"], "y" * (1 << 20))),
    "endless": lambda q: [say("z" * 65536, "") for _ in range(1000)],
    "twice": lambda q: (ok(q, items=[]), ok(q, items=[])),
    "stranger": lambda q: ok(q, items=[{"id": "nobody", "at": "installed", "outcome": "done", "values": {}}]),
    "again": lambda q: ok(q, items=2 * [{"id": q["devices"][0], "at": "installed", "outcome": "done", "values": {}}]),
    "word": lambda q: ok(q, items=[{"id": q["devices"][0], "at": "healthy", "outcome": "maybe", "values": 3}]),
    "noitems": lambda q: ok(q, items={"id": 3}),
    "toomany": lambda q: ok(q, items=501 * [{"id": "x"}]),
    "half": lambda q: (say('{"id":%d,"ok":tr' % q["id"], ""), sys.exit(0)),
    "dies": lambda q: os._exit(3),
    "killed": lambda q: os.kill(os.getpid(), signal.SIGKILL),
    "closes": lambda q: (os.close(1), signal.pause()),
}


def forks():
    """A child in the same group that keeps the pipes, and a fifo, open."""
    if os.fork() == 0:
        fd = os.open(sys.argv[3], os.O_WRONLY)
        os.write(fd, b"x")
        while True:
            signal.pause()
    return 0


def main():
    if mode == "deaf-end" or mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "dead":
        print("no module named acme \x1b[2J", file=sys.stderr)
        sys.exit(9)
    if mode == "moves":  # into the group of a child, where the kill of its own group does not find it
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.closerange(0, 3)
            while True:
                signal.pause()
        while os.getpgid(child) != child:
            pass
        os.setpgid(0, child)
    for line in iter(sys.stdin.readline, ""):
        q = json.loads(line)
        if q["op"] == "hello":
            hello(q)
            if mode == "deaf":
                signal.pause()
        elif q["op"] == "cancel":
            continue
        elif mode in BAD:
            mark()
            BAD[mode](q)
        elif mode == "silent" and q["op"] not in ("releases", "recall"):
            continue
        elif mode == "late":
            held = q if q["op"] == "devices" else None
            if held:
                globals()["held"] = held
            else:
                ok(globals()["held"], items=[])  # long after it was given up
                ok(q, items=[])
        elif mode == "flood":
            for _ in range(2000):
                os.write(2, b"noise \x1b[5m " + 200 * b"." + b"\n")
            ok(q, items=[])
        elif mode == "forks":
            with open(sys.argv[3] + ".ready") as f:
                forks()
                mark()
                f.read()
            os._exit(0)
        elif mode == "refuse-tell":
            say(json.dumps({"id": q["id"], "ok": False, "code": "state", "message": "not now", "maybe_sent": False}))
        elif mode == "unclear":
            say(json.dumps({"id": q["id"], "ok": False, "code": "unreachable", "message": "502",
                            "items": [{"id": q["devices"][0], "outcome": "done", "undo": "feed-7"}]}))
        elif mode == "many":
            for at in range(0, 100000, 500):
                say(json.dumps({"id": q["id"], "part": [{"id": "d-%06d" % i} for i in range(at, at + 500)]}))
            ok(q, items=[], total=100000)
        elif mode == "secret" and q["op"] != "hello":
            say(json.dumps({"id": q["id"], "ok": False, "code": "denied", "message": "no, not with " + globals()["word"]}))
        elif q["op"] in ("tell", "recall"):
            ok(q, items=[{"id": i, "outcome": "done"} for i in q["devices"]])
        elif q["op"] == "standing":
            ok(q, items=[{"id": i, "at": "other"} for i in q["devices"]])
        else:
            ok(q, items=[])
    while mode in ("deaf-end", "moves"):
        signal.pause()


main()
