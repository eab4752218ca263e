#!/usr/bin/env python3
"""answers.py [FOLDER]: what an auditor asks of an exported folder of an andon audit log, answered from its entries, each line
with the entry's number. Verify the folder first: this reads what is there and proves nothing. Needs Python 3.6 alone."""
import json
import os
import re
import sys
import time

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."


def read(*name):
    with open(os.path.join(FOLDER, *name), encoding="utf-8") as f:
        return f.read()


def blob(digest):
    """A blob by the name that an entry gives it, which is that of a file of the folder and of no other."""
    path = os.path.join(FOLDER, "blobs", str(digest))
    if len(str(digest)) != 64 or set(str(digest)) - set("0123456789abcdef") or os.path.islink(path) or not os.path.isfile(path):
        sys.exit("the folder has no blob of the name that an entry gives: verify it first")
    return read("blobs", digest)


def say(e, *words):
    """A line about an entry. Of what comes from the log, only printable ASCII goes to the terminal as it is."""
    text = "  ".join(str(w) for w in words if w not in (None, ""))
    shown = "".join(c if " " <= c <= "~" else "\\u{%x}" % ord(c) for c in text)
    print("  %5s  %s" % (e["seq"] if e else "", shown))


def at(us):
    us = int(us)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1000000)) + ".%03dZ" % (us // 1000 % 1000)


def who(e):
    a, h = e.get("actor", {}), e.get("host", {})
    k, claimed = h.get("kernel", {}), h.get("claimed", {})
    by = "%s %s" % (a.get("kind", "nobody"), a.get("name", ""))
    known = ["kernel: " + " ".join("%s=%s" % (x, k[x]) for x in ("host", "uid", "loginuid", "tty", "pid") if x in k)] if k else []
    known += ["user database: " + h["names"]["user"]] if "user" in h.get("names", {}) else []
    known += ["claimed, not proved: " + " ".join("%s=%s" % x for x in sorted(claimed.items()))] if claimed else []
    return by + " (" + ("; ".join(known) or "the entry does not say by what that is known") + ")"


def about(e):
    return " ".join(word + e[key] for key, word in (("fleet", ""), ("rollout", "rollout "), ("wave", "wave ")) if key in e)


def because(e):
    f = e.get("f", {})
    return "; ".join(x for x in (e.get("reason"), f.get("why"), f.get("text")) if x)


def requests(e):
    f = e.get("f", {})
    if "requests.blob" in f:
        return json.loads(blob(f["requests.blob"]))
    if "http.path" in f:
        return [{k[5:]: v for k, v in f.items() if k.startswith("http.")}]
    return []


def title(text, rows):
    print("\n" + text)
    n = 0
    for row in rows:
        say(*row)
        n += 1
    if n == 0:
        print("         no entry of this folder says it")


E = [json.loads(line) for line in read("entries.jsonl").split("\n")[:-1]]  # not splitlines: it parts at U+2028, too


def put_back():
    """What the entries commit to, into its place: the value of its opening, or why there is none."""
    opened, gone = {}, {}
    if os.path.exists(os.path.join(FOLDER, "openings")):
        for line in read("openings").split("\n")[:-1]:
            seq, path, _, value = line.split(" ", 3)
            opened[int(seq), path] = json.loads(value)
    base = E[0].get("f", {}).get("previous.newest", 0)
    for e in E:
        if e["kind"] == "redact":
            for line in blob(e["f"]["erased.blob"]).split("\n")[:-1]:
                number, _, path = line.partition(" ")
                gone[int(number) - base, path] = "[erased at %s, entry %d]" % (at(e["t"]), e["seq"])
    for e in E:
        for path in e.get("committed", {}):
            place, keys = e, path.split(".", 1) if path.startswith("f.") else path.split(".", 2)
            for k in keys[:-1]:
                place = place.setdefault(k, {})
            here = e["seq"], path
            place[keys[-1]] = opened.get(here, gone.get(here, "[committed, its opening is not in this folder]"))


put_back()
F = [e.get("f", {}) for e in E]


def check_line(e, f):
    """What ssh-keygen is asked: was it a good signature then, by that list of signers? Names are held to what a shell takes as is."""
    name, blobs = f["approval.principal"].split(" ")[0], ["approval.%s.blob" % x for x in ("signers", "signature", "text", "revoked")]
    if not re.fullmatch(r"[A-Za-z0-9@._+-]+", name) or not all(re.fullmatch(r"[0-9a-f]{64}", f.get(b, "0" * 64)) for b in blobs):
        return "its names are no plain words: check it by hand, as README says"
    then = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(int(e["t"]) // 1000000))
    return ("ssh-keygen -Y verify -n andon-approval@v1 -I %s -Overify-time=%s -f blobs/%s -s blobs/%s%s <blobs/%s" %
            (name, then, f[blobs[0]], f[blobs[1]], " -r blobs/" + f[blobs[3]] if blobs[3] in f else "", f[blobs[2]]))


def approvals():
    for e, f in zip(E, F):
        if e.get("verb") == "approve" or e["kind"] == "approval":
            yield (e, at(e["t"]), e["kind"], e.get("verb"), e.get("result"), about(e), "signed by %s with SSH key %s" %
                   (f.get("approval.principal"), f.get("approval.key")) if "approval.key" in f else "", who(e), because(e), f.get("remark"))
            if "approval.key" in f:
                yield None, "| " + check_line(e, f)


def deeds():
    for e in E:
        if e["kind"] in ("intent", "halt", "ack", "refused", "outcome", "recovered"):
            yield (e, at(e["t"]), "late" if e.get("late") else "", e["kind"], e.get("verb"), e.get("result"), about(e), who(e), because(e))


def sent():
    for e in E:
        for r in requests(e):
            yield (e, at(r["sent"]) if "sent" in r else "", r.get("method"), r.get("path"), "body " + r.get("body_sha256", "none"),
                   "answer %s %s" % (r.get("status", "none"), r.get("answer_sha256", "")), r.get("error"))


def devices():
    now = {}
    for e, f in zip(E, F):
        if e["kind"] == "evidence" and "devices.blob" in f:  # the roll back's own list of targets has another form
            for d in json.loads(blob(f["devices.blob"])):
                key = e.get("fleet", ""), d.get("raw_id", d["id"])
                if key not in now or now[key][1]["as_of"] <= d["as_of"]:
                    now[key] = (e, d)
    for (fleet, name), (e, d) in sorted(now.items()):
        yield e, fleet, name, d.get("installed"), d.get("state"), "as of " + at(d["as_of"])


def policies():
    seen = set()
    for e, f in zip(E, F):
        digest = f.get("policy.blob")
        if digest and digest not in seen:
            seen.add(digest)
            yield e, at(e["t"]), "policy of", e.get("fleet"), "in force, SHA-256 and name in blobs/:", digest
            for line in blob(digest).splitlines():
                yield None, "|", line


def procedure():
    for e, f in zip(E, F):
        if "runbook.step" in f:
            skipped, want, got = f.get("runbook.skipped"), f.get("runbook.expected"), f.get("runbook.observed")
            word = "SKIPPED" if skipped is not None else "done" if want is None else "as expected" if want == got else "DEVIATION"
            yield (e, at(e["t"]), word, f["runbook.step"], "" if want is None else "expected: " + want,
                   "" if got is None else "observed: " + got, "" if skipped is None else "why: " + skipped, who(e))


def erasures():
    for e, f in zip(E, F):
        if e["kind"] == "redact":
            yield (e, at(e["t"]), "%s values of %s entries, of the kinds %s" % (f["values"], f["entries"], f["what"]),
                   f.get("selected"), who(e), because(e))


def missing():
    head, there = read("checkpoint").split("\n"), [e["seq"] for e in E]
    size = int(head[1])
    left = size - len(there)
    word = ("every number from 1 to %d is here, once" % size if there == list(range(1, size + 1)) else
            "a slice: %d of %d are not here, by hashes in left-out; nothing is said about them" % (left, size)
            if there == sorted(set(there)) and os.path.exists(os.path.join(FOLDER, "left-out")) else "GAP: numbers are missing")
    yield None, word
    ended = {e.get("corr") for e in E if e["kind"] in ("outcome", "recovered")}
    acks = [(e, f) for e, f in zip(E, F) if e["kind"] == "ack"]

    def lifted(h):
        return any(a["seq"] > h["seq"] and a.get("fleet") == h.get("fleet") and ("rollout" not in a or a["rollout"] == h.get("rollout"))
                   and ("lifts" not in f or h.get("corr", "-") in f["lifts"]) for a, f in acks)
    for e, f in zip(E, F):
        if e["kind"] in ("intent", "halt") and e.get("corr") not in ended:
            yield e, "OPEN: no outcome", e.get("verb"), about(e)
        if e["kind"] == "halt" and not lifted(e):
            yield e, "OPEN: no acknowledgement names this halt", about(e)
        if e.get("result") in ("unknown", "incomplete"):
            yield e, "OPEN: ended as " + e["result"], e.get("verb"), about(e), because(e)
        if e.get("late"):
            yield (e, "late: of " + at(e["t"]), "taken in " + at(f["spool.taken"]) if "spool.taken" in f else "", e["kind"], because(e))
        if e["kind"] in ("degraded", "clock-step") or "devices.unlisted" in f or "waves.unlisted" in f or "requests.unlisted" in f:
            yield e, "note: " + e["kind"], e.get("result"), because(e)


title("WHO APPROVED", approvals())
title("WHO DID WHAT, AND BY WHOSE WORD THAT IS KNOWN", deeds())
title("WHAT WAS SENT", sent())
title("WHICH DEVICES, AND WHAT THEY RUN, by the newest entry that lists each", devices())
title("WHICH POLICY", policies())
title("WAS THE PROCEDURE FOLLOWED: steps of runbooks", procedure())
title("WHAT WAS ERASED", erasures())
title("IS ANYTHING MISSING", missing())
