#!/usr/bin/env python3
"""cyclonedx.py ANDON SOURCES: the schema's own test documents (CycloneDX 1.4 to 1.6, in cyclonedx-python-lib's source),
imported as SBOMs. Every valid one must be read, and have as many parts as a plain walk of its components finds. An invalid
one may be refused, or taken: most are wrong in members that andon does not read (hashes, licences, types), and a part of the
fleet is not to go unjudged for these; none may be a crash. Prints `N passed, N failed`."""
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

ANDON, SOURCES = sys.argv[1], pathlib.Path(sys.argv[2])
passed = failed = taken = refused = 0


def walk(components):
    """Parts, those within parts as well."""
    return sum(1 + walk(c.get("components", [])) for c in components if isinstance(c, dict))


def andon(home, *words):
    env = {**os.environ, "HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home,
           "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}
    return subprocess.run([ANDON, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def parts_of(name, data):
    """What andon has of it: the number of parts, or None when it is refused."""
    with tempfile.TemporaryDirectory() as home:
        folder = pathlib.Path(home) / "in/sbom"
        folder.mkdir(parents=True)
        (folder / "x_1.cdx.json").write_bytes(data)
        r = andon(home, "intel", "import", str(folder.parent))
        if r.returncode not in (0, 1):
            raise AssertionError(f"{name}: exit {r.returncode}: {r.stderr[-300:]}")
        if r.returncode == 1:
            return None
        r = andon(home, "vulns", "x:1", "-o", "json")
        return json.loads(r.stdout)["releases"][0]["parts"]


source = next(p for p in SOURCES.iterdir() if p.name.startswith("cyclonedx_python_lib"))
with tarfile.open(source) as tar:
    for m in sorted(tar.getmembers(), key=lambda m: m.name):
        at = pathlib.PurePosixPath(m.name)
        if at.parent.name not in ("1.4", "1.5", "1.6") or at.suffix != ".json" or "schemaTestData" not in at.parts:
            continue
        data = tar.extractfile(m).read()
        try:
            n = parts_of(at.name, data)
            if at.name.startswith("valid"):
                want = walk(json.loads(data).get("components", []))
                assert n == want, f"{at.name}: {n} parts, not {want}"
            else:
                taken, refused = taken + (n is not None), refused + (n is None)
            passed += 1
        except AssertionError as e:
            failed += 1
            print(f"FAIL  {e}")
print(f"      of the invalid ones {refused} refused, {taken} taken (wrong in what is not read)")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
