#!/usr/bin/env python3
"""Answers of core/ beside those of others: dpkg, rpm's and apk's own cases (in univers' source), the Python packages
semver, packaging, univers, cvss, packageurl-python and cpe. Random questions from a fixed seed (ANDON_SEED for another);
each kind counts as one test, whatever the number of its questions. A difference that is known and meant is counted with
its reason, never left out silently.

  oracles.py PROGRAM SOURCES    compare.c's program, and the folder with the packages' sources"""
import collections
import functools
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tarfile

import cpe
import packaging.version
import semver
from cvss import CVSS2, CVSS3, CVSS4
from cvss import constants2 as c2, constants3 as c3, constants4 as c4
from packageurl import PackageURL
from univers import rpm, versions

PROGRAM, SOURCES = sys.argv[1], pathlib.Path(sys.argv[2])
RANDOM = random.Random(int(os.environ.get("ANDON_SEED", "12")))
SHOWN = 12  # differences in full
total = collections.Counter()


def ask(questions):
    """The program's answers, one for each question (a tuple of words)."""
    text = "".join("\t".join(q) + "\n" for q in questions)
    r = subprocess.run([PROGRAM], input=text, capture_output=True, text=True, check=False)
    answers = r.stdout.split("\n")[:-1]
    if r.returncode != 0 or len(answers) != len(questions):
        print(r.stderr[-2000:])
        sys.exit(f"{PROGRAM} ended with {r.returncode} after {len(answers)} of {len(questions)} answers")
    return answers


def check(what, by, cases, explain=lambda question, mine, theirs: None, read=lambda answer: answer):
    """cases: (question, right answer). explain gives the reason of a difference that is meant; read says what of an
    answer is compared."""
    cases, meant, bad = list(cases), collections.Counter(), []
    for (q, right), mine in zip(cases, map(read, ask([q for q, _ in cases]))):
        if mine == right:
            continue
        why = explain(q, mine, right)
        if why:
            meant[why] += 1
        else:
            bad.append((q, mine, right))
    for q, mine, right in bad[:SHOWN]:
        print(f"    {' '.join(q)}: {mine}, and {by} says {right}")
    print(f"{'FAIL' if bad else 'ok'}  {what}: {len(cases)} beside {by}, {len(bad)} differences")
    for why, n in sorted(meant.items()):
        print(f"      {n} meant: {why}")
    total["questions"] += len(cases)
    total["failed" if bad else "passed"] += 1


def pick(*words):
    return RANDOM.choice(words)


def maybe(p, text):
    return text if RANDOM.random() < p else ""


def number():
    return pick("0", "1", "1", "2", "3", "9", "10", "11", "12", "99", "100", "18446744073709551616", str(RANDOM.randrange(2000)))


def pairs(make, n):
    """Random pairs; every third is of one version and a small change of it."""
    for i in range(n):
        a = make()
        b = make() if i % 3 else re.sub(r"\d+", lambda m: pick(m[0], m[0], str(int(m[0]) + 1)), a, count=2)
        yield a, b


def sign(a, b):
    return str((a > b) - (a < b))


def order(scheme, make, n, compare):
    for a, b in pairs(make, n):
        yield ("version", scheme, a, b), compare(a, b)


# --- versions

def deb():
    upstream = ".".join(number()[:9] for _ in range(RANDOM.randint(1, 3))) + pick(
        "", "", "", "~rc1", "~beta2", "+dfsg", "+git2031", "p1", "a", "~~", "~", "-1", "+really1", ".", "+~cs1")
    return maybe(.25, pick("0", "1", "2", "10") + ":") + upstream + maybe(.7, "-" + number()[:6] + pick(
        "", "", "~deb12u1", "+deb12u1", "+deb12u10", "+b1", "ubuntu0.1", ".1", "~bpo11+1", "build1"))


def dpkg(cases):
    """dpkg --compare-versions says one relation at a time; a shell asks them all in one process each."""
    lines = []
    for a, b in cases:
        lines.append(f"if dpkg --compare-versions '{a}' lt '{b}'; then echo -1; "
                     f"elif dpkg --compare-versions '{a}' gt '{b}'; then echo 1; else echo 0; fi")
    out = subprocess.run(["sh"], input="\n".join(lines), capture_output=True, text=True, check=True)
    return out.stdout.split()


def semver_text():
    pre = ["alpha", "beta", "rc", "rc1", "0", "1", "10", "x-y", "a", "A", "-", "0a", "18446744073709551617", "b.1"]
    text = ".".join(number() for _ in range(3))
    text += maybe(.5, "-" + ".".join(pick(*pre) for _ in range(RANDOM.randint(1, 4))))
    return text + maybe(.3, "+" + pick("001", "build.5", "exp-sha"))


def pep440():
    text = maybe(.15, pick("v", "V")) + maybe(.15, pick("0", "1", "2") + "!")
    text += ".".join(pick("0", "1", "2", "10", "00", "07", str(RANDOM.randrange(3000))) for _ in range(RANDOM.randint(1, 4)))
    sep = lambda: pick("", "", ".", "-", "_")
    text += maybe(.4, sep() + pick("a", "b", "rc", "c", "alpha", "BETA", "pre", "preview") + sep() + pick("", "0", "1", "2", "10"))
    text += maybe(.3, pick("-1", "-10", sep() + pick("post", "rev", "r", "POST") + sep() + pick("", "0", "1", "2")))
    text += maybe(.3, sep() + "dev" + sep() + pick("", "0", "1", "3"))
    return text + maybe(.2, "+" + pick("local", "1", "10", "a.1", "a-1", "a_b.007", "1.a", "ubuntu.3", "ABC"))


def noise(make, letters):
    """A version with something wrong in it, most of the time."""
    text = make()
    for _ in range(RANDOM.randint(1, 2)):
        at = RANDOM.randrange(len(text) + 1)
        text = text[:at] + pick(*letters, "") + text[at + RANDOM.randint(0, 1):]
    return text


def rpm_text():
    piece = lambda: "".join(pick("0", "1", "2", "10", "a", "rc", ".", ".", "_", "~", "^", "+", "git", "00", "el9") for _ in range(RANDOM.randint(1, 6)))
    version = number()[:9] + maybe(.8, "." + piece())
    return maybe(.25, pick("0", "1", "2") + ":") + version + maybe(.8, "-" + number()[:5] + maybe(.6, "." + piece()))


def apk_text():
    text = ".".join([number()[:9]] + [pick("0", "1", "2", "10", "05", "50", "001", "12") for _ in range(RANDOM.randint(0, 3))])
    text += maybe(.25, pick("a", "b", "z"))
    for _ in range(pick(0, 0, 1, 1, 2)):
        text += "_" + pick("alpha", "beta", "pre", "rc", "p") + pick("", "0", "1", "2", "10")
    return text + maybe(.5, "-r" + pick("0", "1", "2", "10"))


def apk_known(q, mine, theirs):
    a, b = q[2], q[3]
    strip = lambda v: re.sub(r"(?<=[a-z])0(?![0-9])", "", v)
    if strip(a) == strip(b) or strip(a).startswith(strip(b)) or strip(b).startswith(strip(a)):
        return "apk tells _rc from _rc0, Gentoo's order (univers) does not"
    return None


def packaged(text):
    try:
        return packaging.version.Version(text)
    except packaging.version.InvalidVersion:
        return None


def sources(package, *end):
    archive = next(SOURCES.glob(package + "*.tar.gz"))
    with tarfile.open(archive) as t:
        name = next(n for n in t.getnames() if n.endswith("/".join(end)))
        return t.extractfile(name).read().decode()


def check_versions():
    cases = list(pairs(deb, 2500))
    check("deb", "dpkg", ((("version", "deb", a, b), c) for (a, b), c in zip(cases, dpkg(cases))))
    check("semver", "semver", order("semver", semver_text, 6000, lambda a, b: str(semver.Version.parse(a).compare(b))))
    check("semver, what is one", "semver", (
        (("version", "semver", t, t), "0" if semver.Version.is_valid(t) else "none")
        for t in (noise(semver_text, [".", "-", "+", "0", "a", "_", " ", "v"]) for _ in range(4000))),
        lambda q, mine, theirs: "a leading v and missing numbers are read"
        if re.match(r"v|v?(0|[1-9]\d*)(\.(0|[1-9]\d*))?([-+]|$)", q[2]) else None)
    check("semver, missing numbers", "semver", (
        (("version", "semver", a, b), str(semver.Version.parse(a, optional_minor_and_patch=True).compare(
            semver.Version.parse(b, optional_minor_and_patch=True))))
        for a, b in ((".".join(number() for _ in range(RANDOM.randint(1, 3))), semver_text()) for _ in range(1000))))
    check("pep440", "packaging", order("pep440", pep440, 6000, lambda a, b: sign(packaged(a), packaged(b))))
    check("pep440, what is one", "packaging", (
        (("version", "pep440", t, t), "none" if packaged(t) is None else "0")
        for t in (noise(pep440, [".", "-", "+", "!", "a", "rc", "r", "post", "dev", "1"]) for _ in range(4000))))
    check("rpm", "univers", order("rpm", rpm_text, 6000, lambda a, b: str(rpm.compare_rpm_versions(a, b))))
    check("rpm's own cases", "rpm", (
        (("version", "rpm", m[1], m[2]), m[3])
        for m in re.finditer(r"^RPMVERCMP\((.*), (.*), (-?\d)\)", sources("univers", "tests/data/rpmvercmp.at"), re.M)))
    check("apk's own cases", "apk", (
        (("version", "apk", m[1], m[3]), {"<": "-1", ">": "1", "=": "0"}[m[2]])
        for m in re.finditer(r"^(\S+) ([<>=]) (\S+)$", sources("univers", "tests/data/alpine_test.txt"), re.M)))
    univers = lambda a, b: sign(versions.AlpineLinuxVersion(a), versions.AlpineLinuxVersion(b))
    check("apk", "univers", order("apk", apk_text, 4000, univers), apk_known)


# --- ranges

def walked(v, events, key):
    """The specification, once more."""
    limits = [x for e in events for k, x in e.items() if k == "limit"]
    if limits and not any(x == "*" or key(v) < key(x) for x in limits):
        return "no"
    inside = False
    rest = [(k, x) for e in events for k, x in e.items() if k != "limit"]
    for k, x in sorted(rest, key=lambda e: (1, key(e[1])) if e != ("introduced", "0") else (0,)):
        if k == "introduced" and (x == "0" or key(v) >= key(x)):
            inside = True
        elif (k == "fixed" and key(v) >= key(x)) or (k == "last_affected" and key(v) > key(x)):
            inside = False
    return "yes" if inside else "no"


def ranges(scheme, make, key, n):
    for _ in range(n):
        cuts, events = sorted({make() for _ in range(RANDOM.randint(1, 5))}, key=key), []
        cuts = [a for a, b in itertools.pairwise(cuts + [None]) if b is None or key(a) != key(b)]
        for i, x in enumerate(cuts):
            kind = "introduced" if i % 2 == 0 else pick("fixed", "last_affected")
            events.append({kind: "0" if i == 0 and RANDOM.random() < .5 else x})
        if RANDOM.random() < .2:
            events.append({"limit": pick("*", make())})
        RANDOM.shuffle(events)
        v = pick(make(), make(), *cuts)
        yield ("range", scheme, v, *[f"{k}={x}" for e in events for k, x in e.items()]), walked(v, events, key)


def check_ranges():
    check("ranges, semver", "a walk with semver", ranges("semver", semver_text, semver.Version.parse, 3000))
    check("ranges, pep440", "a walk with packaging", ranges("pep440", pep440, packaged, 2000))
    check("ranges, rpm", "a walk with univers", ranges("rpm", rpm_text, functools.cmp_to_key(rpm.compare_rpm_versions), 2000))


# --- CVSS

def vector(prefix, names, values, needed, p):
    out = []
    for m in names:
        have = [v for v in values[m] if m not in needed or v not in ("X", "ND")]
        if m in needed or RANDOM.random() < p:
            out.append(f"{m}:{RANDOM.choice(have)}")
    return prefix + "/".join(out)


def cvss_answer(v):
    tenths = lambda x: round(x * 10)
    try:
        if v.startswith("CVSS:4.0"):
            parts = v.split("/")
            base = [p for p in parts if p.split(":")[0] in ("CVSS", *c4.METRICS_MANDATORY)]
            threat = base + [p for p in parts if p.startswith("E:")]
            scores = [CVSS4("/".join(x)).base_score for x in (base, threat, parts)]
            return "4.0 " + " ".join(str(tenths(x)) for x in scores)
        if v.startswith("CVSS:3"):
            return f"{v[5:8]} " + " ".join(str(tenths(x)) for x in CVSS3(v).scores())
        base, temporal, environment = CVSS2(v).scores()
        temporal = base if temporal is None else temporal
        return f"2.0 {tenths(base)} {tenths(temporal)} {tenths(temporal if environment is None else environment)}"
    except Exception as e:  # pylint: disable=broad-except
        return "none" if type(e).__module__.startswith("cvss") else repr(e)


def all_base(prefix, values, needed):
    for combination in itertools.product(*[[v for v in values[m] if v not in ("X", "ND")] for m in needed]):
        yield prefix + "/".join(f"{m}:{v}" for m, v in zip(needed, combination))


def check_cvss():
    three = ["CVSS:3.0/", "CVSS:3.1/"]
    cases = list(all_base("", c2.METRICS_VALUES, c2.METRICS_MANDATORY))
    for prefix in three:
        cases += all_base(prefix, c3.METRICS_VALUES, c3.METRICS_MANDATORY)
    check("CVSS v2, v3.0 and v3.1, every base vector", "cvss", ((("cvss", v), cvss_answer(v)) for v in cases))
    cases = [vector("", c2.METRICS_ABBREVIATIONS, c2.METRICS_VALUES, c2.METRICS_MANDATORY, pick(.3, .9)) for _ in range(6000)]
    for prefix in three:
        cases += [vector(prefix, c3.METRICS_ABBREVIATIONS, c3.METRICS_VALUES, c3.METRICS_MANDATORY, pick(.3, .9)) for _ in range(6000)]
    check("CVSS v2, v3.0 and v3.1 with time and environment", "cvss", ((("cvss", v), cvss_answer(v)) for v in cases))
    cases = [vector("CVSS:4.0/", c4.METRICS, c4.METRICS_VALUE_NAMES, c4.METRICS_MANDATORY, pick(0, 0, .3, .9)) for _ in range(9000)]
    check("CVSS v4.0", "cvss", ((("cvss", v), cvss_answer(v)) for v in cases))
    seeds = RANDOM.sample(cases, 300) + ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "AV:N/AC:L/Au:N/C:P/I:P/A:P"] * 50
    bad = [noise(lambda s=s: s, ["/", ":", "X", "N", "", "/E:A", "/AV:N", "ND"]) for s in seeds for _ in range(5)]
    check("CVSS, what is a vector", "cvss", ((("cvss", v), cvss_answer(v)) for v in bad))
    macro = []
    for key, score in c4.CVSS_LOOKUP_GLOBAL.items():
        eq1, eq2, eq3, eq4, eq5, eq6 = map(int, key)
        top = "".join([c4.MAX_COMPOSED["eq1"][str(eq1)][0], c4.MAX_COMPOSED["eq2"][str(eq2)][0],
                       c4.MAX_COMPOSED["eq3"][str(eq3)][str(eq6)][0], c4.MAX_COMPOSED["eq4"][str(eq4)][0],
                       c4.MAX_COMPOSED["eq5"][str(eq5)][0]])
        modified = re.sub(r"S([CIA]):S", r"S\1:H", top) + "".join(f"M{m}:S/" for m in ("SI", "SA") if f"{m}:S" in top)
        macro.append((("cvss", "CVSS:4.0/" + modified.strip("/")), str(round(score * 10))))
    scores = [a.split()[-1] for a in ask([q for q, _ in macro])]
    bad = [(q, a, r) for (q, r), a in zip(macro, scores) if a != r]
    print(f"{'FAIL' if bad else 'ok'}  CVSS v4.0, the top of each macro vector: {len(macro)} of FIRST's scores, {len(bad)} differences")
    for q, a, r in bad[:SHOWN]:
        print(f"    {q[1]}: {a}, not {r}")
    total["questions"] += len(macro)
    total["failed" if bad else "passed"] += 1


# --- names

def purl_answer(text):
    try:
        p = PackageURL.from_string(text)
    except ValueError:
        return "none"
    return "\t".join([p.type, p.namespace or "", p.name, p.version or "", p.subpath or "",
                      "&".join(f"{k}={v}" for k, v in sorted(p.qualifiers.items()))])


def purl_text():
    word = lambda: "".join(pick("a", "b", "Z", "9", "-", "_", ".", "%40", "%2B", "%C3%A9", "+", "~") for _ in range(RANDOM.randint(1, 6)))
    kind = pick("deb", "rpm", "apk", "npm", "pypi", "PyPI", "golang", "maven", "github", "GitHub", "bitbucket", "gem", "cargo",
                "generic", "composer", "hex", "pub", "hackage", "oci", "nuget", "swift", "cran", "luarocks", "qpkg", "gitlab")
    text = pick("pkg:", "pkg:", "pkg:", "PKG:", "pkg:/", "pkg://") + kind + "/" + maybe(.6, "/".join(word() for _ in range(RANDOM.randint(1, 3))) + "/") + word()
    text += maybe(.8, "@" + word() + maybe(.2, "%3A" + word()))
    keys = RANDOM.sample(["arch", "distro", "Upstream", "epoch", "vcs_url", "x.y"], RANDOM.randint(1, 4))
    text += maybe(.5, "?" + "&".join(f"{k}={pick('', word(), word())}" for k in keys))
    return text + maybe(.2, "#" + "/".join(pick(".", "..", "", word(), word()) for _ in range(3)))


def check_names():
    suite = json.loads(sources("packageurl", "tests/data/test-suite-data.json"))
    check("purl, the specification's cases", "packageurl-python", (
        (("purl", c["purl"]), "none" if c["is_invalid"] else purl_answer(c["purl"])) for c in suite if c["purl"]))
    check("purl, their canonical spelling", "packageurl-python", (
        (("purl", c["canonical_purl"]), purl_answer(c["purl"])) for c in suite if c["purl"] and not c["is_invalid"]))
    check("purl", "packageurl-python", ((("purl", t), purl_answer(t)) for t in (purl_text() for _ in range(5000))), purl_known)
    check("CPE, what is one", "cpe", ((("cpe", t), cpe_answer(t)) for t in (cpe_text() for _ in range(3000))),
          read=lambda answer: answer if answer == "none" else "CPE")


def purl_known(q, mine, theirs):
    return "the scheme is read in any case, as of every URL" if q[1].startswith("PKG:") and theirs == "none" else None


def cpe_text():
    """Without what the package reads in another way than NIST IR 7695 writes it: escaped colons and full stops, languages
    that are no tags, "?" beside "*", empty fields."""
    word = lambda: "".join(pick("a", "b", "9", ".", "_", "-", "\\+", "\\*", "Z") for _ in range(RANDOM.randint(1, 5)))
    field = lambda: pick("*", "*", "-", word(), word(), maybe(.5, "*") + word(), word() + maybe(.5, "?"), maybe(.2, " ") + word())
    fields = [pick("a", "o", "h", "a", "o", "h", "x")] + [field() for _ in range(pick(10, 10, 10, 10, 10, 9, 11))]
    fields[6] = pick("*", "-", "en", "en-us")
    return "cpe:2.3:" + ":".join(fields)


def cpe_answer(text):
    try:
        cpe.CPE(text, cpe.CPE.VERSION_2_3)
    except (ValueError, NotImplementedError, TypeError):
        return "none"
    return "CPE"


for part in (check_versions, check_ranges, check_cvss, check_names):
    part()
print(f"{total['questions']} questions")
print(f"{total['passed']} passed, {total['failed']} failed")
sys.exit(total["failed"] > 0)
