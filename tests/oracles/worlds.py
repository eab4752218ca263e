#!/usr/bin/env python3
"""Random worlds, judged a second time by plain code, for `make test-intel`: packages with OSV ranges, CPE configurations
with AND, OR, negate and hardware, aliases, withdrawn and rejected records, statements of makers. Nothing here is taken
from core/; the rules are those of the OSV schema, of NVD's configurations and of docs/intel.md.

  worlds.py TEST_WORLD WORLDS SEED   (of the first; the next has the next number)
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile


def version(r):
    v = f"{r.randint(0, 3)}.{r.randint(0, 3)}.{r.randint(0, 3)}"
    return v + r.choice(["", "", "", "-rc.1"])


def key(v):
    """Order of these versions; "0" is before all."""
    if v == "0":
        return (-1,)
    main, _, pre = v.partition("-")
    return tuple(int(x) for x in main.split(".")) + ((0,) if pre else (1,))


def included(v, events):
    at = [(key(x), i, k) for i, e in enumerate(events) for k, x in e.items()]
    inside = False
    for x, _, k in sorted(at):
        if k == "introduced" and x <= key(v):
            inside = True
        elif k == "fixed" and x <= key(v):
            inside = False
        elif k == "last_affected" and x < key(v):
            inside = False
    return inside


def events_of(r):
    points = sorted({version(r) for _ in range(r.choice([2, 2, 4]))}, key=key)
    e = []
    for i, p in enumerate(points):
        e.append({("introduced" if i % 2 == 0 else r.choice(["fixed", "fixed", "last_affected"])): p})
    if r.random() < 0.3:
        e[0] = {"introduced": "0"}
    r.shuffle(e)
    return e


def cpe(part, vendor, product, v):
    return f"cpe:2.3:{part}:{vendor}:{product}:{v.replace('-', ':') if v not in '*-' else v}" + \
        (":*" * 6 if "-" in v and v != "-" else ":*" * 7)


VENDORS, PRODUCTS = ["ash", "elm"], ["http", "tls", "shell"]


def leaf_of(r, vulnerable=True):
    m = {"vulnerable": vulnerable, "matchCriteriaId": "00000000-0000-4000-8000-000000000000"}
    m["what"] = (r.choice(VENDORS), r.choice(PRODUCTS))
    m["criteria"] = cpe("a", *m["what"], "*")
    if r.random() < 0.6:
        m["versionStart" + r.choice(["Including", "Excluding"])] = version(r)
    if r.random() < 0.8:
        m["versionEnd" + r.choice(["Including", "Excluding"])] = version(r)
    return m


def in_leaf(m, v):
    k = key(v)
    return not ((("versionStartIncluding" in m) and k < key(m["versionStartIncluding"])) or
                (("versionStartExcluding" in m) and k <= key(m["versionStartExcluding"])) or
                (("versionEndIncluding" in m) and k > key(m["versionEndIncluding"])) or
                (("versionEndExcluding" in m) and k >= key(m["versionEndExcluding"])))


def config_of(r, models):
    kind = r.choice(["or", "or", "hardware", "beside", "without"])
    nodes = [{"operator": "OR", "negate": False, "cpeMatch": [leaf_of(r) for _ in range(r.randint(1, 3))]}]
    if kind == "hardware":
        model = r.choice(models + ["other"])
        nodes.append({"operator": "OR", "negate": False, "cpeMatch": [
            {"vulnerable": False, "criteria": cpe("h", "mill", model, "-"), "hardware": model}]})
    elif kind != "or":
        m = leaf_of(r, False)
        for k in [k for k in m if k.startswith("version")]:
            del m[k]
        nodes.append({"operator": "OR", "negate": kind == "without", "cpeMatch": [m]})
    return {"operator": "AND" if len(nodes) > 1 else "OR", "nodes": nodes}


def config_holds(c, parts, part, model):
    """As seen from one part: a node that names its product is about it, any other about whatever is there."""
    named, all_hold = False, True
    for n in c["nodes"]:
        mine = [m for m in n["cpeMatch"] if m["vulnerable"] and m["what"] == part[:2]]
        if mine:
            named = True
            holds = any(in_leaf(m, part[2]) for m in mine)
        else:
            holds = any(m["hardware"] == model if "hardware" in m else
                        any(m["what"] == p[:2] and in_leaf(m, p[2]) for p in parts) for m in n["cpeMatch"])
        all_hold &= holds != n["negate"]
    return named and all_hold


def make(folder, r):
    for d in ("osv", "cve5", "sbom", "vex"):
        os.makedirs(f"{folder}/{d}")

    def write(path, doc):
        with open(f"{folder}/{path}", "w") as f:
            json.dump(doc, f, default=list)

    names = [f"lib{i}" for i in range(4)]
    models = ["gate", "valve"]
    releases = {}
    for model in models:
        for minor in range(3):
            releases[f"{model}:1.{minor}"] = {
                "model": model, "npm": {n: version(r) for n in names if r.random() < 0.8},
                "cpe": sorted({(v, p): (v, p, version(r)) for v in VENDORS for p in PRODUCTS if r.random() < 0.5}.values())}
    for name, is_ in releases.items():
        comps = [{"type": "library", "name": n, "version": v, "purl": f"pkg:npm/{n}@{v}"} for n, v in is_["npm"].items()]
        comps += [{"type": "library", "name": f"{v}-{p}", "version": x, "cpe": cpe("a", v, p, x)} for v, p, x in is_["cpe"]]
        m, v = name.split(":")
        write(f"sbom/{m}_{v}.cdx.json", {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": {
            "timestamp": "2032-01-01T00:00:00Z",
            "component": {"type": "firmware", "name": m, "version": v, "purl": f"pkg:generic/{m}@{v}"}}, "components": comps})
    nvd, cves, status = [], {}, {n: {} for n in releases}
    for i in range(30):
        cve = f"CVE-2032-{8000 + i}"
        kind = r.choice(["osv", "osv", "nvd", "nvd", "two"])
        claims, state = [], r.choice(["live"] * 8 + ["rejected", "withdrawn"])
        for k in range({"osv": 1, "nvd": 0, "two": 2}[kind]):
            package, ev = r.choice(names), events_of(r)
            withdrawn = state == "withdrawn" or (kind == "two" and k == 1 and r.random() < 0.3)
            doc = {"schema_version": "1.7.0", "id": f"RND-{i}-{k}", "modified": "2032-02-02T00:00:00Z",
                   "published": "2032-02-01T00:00:00Z", "aliases": [cve], "affected": [
                       {"package": {"ecosystem": "npm", "name": package}, "ranges": [{"type": "SEMVER", "events": ev}]}]}
            if withdrawn:
                doc["withdrawn"] = "2032-02-03T00:00:00Z"
            else:
                claims.append((package, ev))
            write(f"osv/RND-{i}-{k}.json", doc)
        config = config_of(r, models) if kind == "nvd" and state != "withdrawn" else None
        if state == "rejected":
            write(f"cve5/{cve}.json", {"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {
                "cveId": cve, "state": "REJECTED", "datePublished": "2032-02-01T00:00:00Z"}, "containers": {"cna": {}}})
        if config:
            nvd.append({"cve": {"id": cve, "published": "2032-02-01T00:00:00.000", "lastModified": "2032-02-02T00:00:00.000",
                                "vulnStatus": "Analyzed", "metrics": {}, "configurations": [config]}})
        cves[cve] = (kind, claims, config, state)
    statements = []
    for _ in range(12):
        name, cve = r.choice(list(releases)), r.choice(list(cves))
        lib = r.choice(names)
        statements.append((name, cve, lib, r.choice([releases[name]["npm"].get(lib, "9.9.9"), "9.9.9"]),
                           r.choice(["not_affected", "affected", "fixed"]), r.random() < 0.7, r.randint(1, 28)))
    write("vex/openvex.json", {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.invalid/r", "author": "r",
          "timestamp": "2032-02-01T00:00:00Z", "version": 1, "statements": [
              {"vulnerability": {"name": cve}, "timestamp": f"2032-02-{day:02}T00:00:00Z", "status": st,
               "justification": "component_not_present", "products": [
                   {"@id": "pkg:generic/" + name.replace(":", "@") if versioned else "pkg:generic/" + name.split(":")[0],
                    "subcomponents": [{"@id": f"pkg:npm/{lib}@{v}"}]}]}
              for name, cve, lib, v, st, versioned, day in statements]})
    for name, is_ in releases.items():
        for cve, (kind, claims, config, state) in cves.items():
            bad = {n for n, v in is_["npm"].items() if any(p == n and included(v, e) for p, e in claims)}
            said = {}
            for rel, c, lib, v, st, versioned, day in sorted(statements, key=lambda s: (s[6], s[4] == "affected", s[4] == "fixed")):
                if rel == name and c == cve and versioned and is_["npm"].get(lib) == v:
                    said[lib] = st
            bad = {n for n in bad if said.get(n) not in ("not_affected", "fixed")} | {n for n, st in said.items() if st == "affected"}
            if config and state != "rejected" and any(config_holds(config, is_["cpe"], p, is_["model"]) for p in is_["cpe"]):
                bad.add("cpe")
            word = "affected" if bad else "not_affected"
            if not bad and kind == "nvd" and state == "withdrawn":
                # nobody has a record of it, and what a maker says of it is all there is
                word = "not_affected" if set(said.values()) & {"not_affected", "fixed"} else "unknown"
            status[name][cve] = {"status": word, "why": f"{kind} {state} {sorted(bad)}"}
    for n in nvd:
        for node in n["cve"]["configurations"][0]["nodes"]:
            for m in node["cpeMatch"]:
                m.pop("what", None), m.pop("hardware", None)
    write("nvd.json", {"format": "NVD_CVE", "version": "2.0", "timestamp": "2032-02-02T00:00:00.000", "vulnerabilities": nvd})
    write("hardware.json", {n: {"firmware_cpe": "", "hardware_cpe": cpe("h", "mill", x["model"], "-")} for n, x in releases.items()})
    write("answers.json", {"now": "2032-03-01T00:00:00Z", "status": status})
    write("sets.json", {})
    write("survival.json", [])
    with open(f"{folder}/inventory.csv", "w") as f:
        f.write("device,model,os,release,mechanism,owner,function,site,class,exposure,end_of_life,last_report\n")


def main():
    test, worlds, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    passed = failed = 0
    for i in range(seed, seed + worlds):
        folder = tempfile.mkdtemp()
        make(folder, random.Random(i))
        p = subprocess.run([test, folder], capture_output=True, text=True)
        lines = p.stdout.splitlines()
        words = lines[-1].split() if lines and lines[-1].endswith(" failed") else ["0", "passed,", "1", "failed"]
        passed += int(words[0])
        failed += int(words[2])
        if p.returncode:
            print(f"world {i}:", *lines[:8], p.stderr[:300], sep="\n  ")
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
