#!/usr/bin/env python3
"""A back end for andon, to start from: docs/plugin-protocol.md. Copy it as andon-backend-NAME and put your server behind
the functions of Fleet; here it is a JSON file, named by the option `file`:
{"releases": [{"id": "7", "name": "fw", "version": "1.0"}], "devices": {"d-1": {"installed": "7"}}}"""
import json
import os
import sys
import time


class Refused(Exception):
    """code: see "Errors"; maybe_sent: may it have taken effect all the same?"""

    def __init__(self, code, message, maybe_sent=False):
        super().__init__(message)
        self.code, self.maybe_sent = code, maybe_sent


class Fleet:
    CAPS = ["tell", "recall", "downgrade", "device", "attributes"]

    def __init__(self, config, secret):
        self.path = config["options"].get("file") or sys.exit("the option `file` is missing")
        self.secret = secret  # of the server; never print it
        self.load()

    def load(self):
        with open(self.path, encoding="utf-8") as f:
            self.state = json.load(f)
        return self.state["devices"]

    def save(self):
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump(self.state, f)

    def releases(self, q):
        want = q.get("release", {})
        return [r for r in reversed(self.state["releases"]) if all(r.get(k) == v for k, v in want.items())]

    def devices(self, q):
        wanted = [(k, q[k]["id"]) for k in ("installed", "assigned") if k in q]

        def found(i, d):
            if i in q.get("include", []) or q.get("only_include") or i in q.get("exclude", []):
                return i in q.get("include", [])
            return (not wanted or any(d.get(k) == v for k, v in wanted)) and \
                all(d.get("attributes", {}).get(k) == v for k, v in q.get("equals", []))
        return [{"id": i} for i, d in self.load().items() if found(i, d)]

    def device(self, q):
        d = self.load().get(q["device"])
        if d is None:
            raise Refused("not_found", "no such device")
        found = {r["id"]: r for r in self.state["releases"]}
        return {"device": {"id": q["device"]}, "attributes": d.get("attributes", {}),
                "installed": found.get(d.get("installed")), "assigned": found.get(d.get("assigned"))}

    def standing(self, q):
        release, known = q["release"]["id"], self.load()
        for i in dict.fromkeys(q["devices"]):
            d = known.get(i)
            at = "absent" if d is None else "installed" if d.get("installed") == release else \
                "told" if d.get("assigned") == release else "other"
            yield {"id": i, "at": at, "told_at": (d or {}).get("told_at") if at == "told" else None}

    def attributes(self, q):
        known = self.load()
        return [{"id": i, "values": known.get(i, {}).get("attributes", {})} for i in dict.fromkeys(q["devices"])]

    def tell(self, q):
        known = self.load()
        for i in dict.fromkeys(q["devices"]):
            if i in known and known[i].get("key") != q["key"]:  # the same key twice: one effect
                known[i].update(assigned=q["release"]["id"], key=q["key"], told_at=int(time.time() * 1e6))
            yield {"id": i, "outcome": "done"} if i in known else {"id": i, "outcome": "refused", "why": "no such device"}
        self.save()

    def recall(self, q):
        known = self.load()
        for i in dict.fromkeys(q["devices"]):
            held = known.get(i, {}).get("assigned") == q["release"]["id"]
            if held:
                known[i].update(assigned=None, key=None)
            yield {"id": i, "outcome": "done"} if held else {"id": i, "outcome": "refused", "why": "it was not told"}
        self.save()


def answer(q, fleet):
    if q["op"] not in ["releases", "devices", "standing"] + Fleet.CAPS or not hasattr(fleet, q["op"]):
        raise Refused("unsupported", "no such operation")
    result = getattr(fleet, q["op"])(q)
    if isinstance(result, dict):
        return result
    items = list(result)[:q.get("limit")]
    while len(items) > 500:  # long lists go in parts
        print(json.dumps({"id": q["id"], "part": items[:500]}))
        del items[:500]
    return {"items": items}


def main():
    fleet = None
    for line in sys.stdin:  # ends with andon
        q = json.loads(line)
        if q["op"] == "cancel":  # one request after the other: there is nothing to cancel
            continue
        try:
            if q["op"] == "hello":
                fleet = Fleet(q["config"], os.fdopen(3).read() if q["secret"] and not fleet else "")
                a = {"proto": 1, "name": "template", "version": "1", "caps": Fleet.CAPS,
                     "limits": {"parallel": 1, "tell": 100, "ids": 500}, "keys": "server"}
            else:
                a = answer(q, fleet)
            a = {"id": q["id"], "ok": True, **a}
        except Refused as e:
            a = {"id": q["id"], "ok": False, "code": e.code, "message": str(e), "maybe_sent": e.maybe_sent}
        except Exception as e:  # nobody knows how far it came
            a = {"id": q["id"], "ok": False, "code": "internal", "message": repr(e), "maybe_sent": True}
        print(json.dumps(a), flush=True)


if __name__ == "__main__":
    main()
