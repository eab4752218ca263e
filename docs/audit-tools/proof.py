#!/usr/bin/env python3
"""proof.py VKEY FILE.tlog-proof: is this entry in the log? Prints it. Needs openssl. Exit: 0 yes, 1 no."""
import base64, hashlib, re, subprocess, sys, tempfile  # noqa: E401 one line: all of it is to be read

H, b64 = lambda *p: hashlib.sha256(b"".join(p)).digest(), lambda s: base64.b64decode(s, validate=True)
def need(good, why): good or sys.exit("NOT PROVED: " + why)  # noqa: E301,E302,E305,E704 not assert: python3 -O leaves those out
try:
    (name, key_id, typed), data = sys.argv[1].encode().split(b"+", 2), open(sys.argv[2], "rb").read(65536)
    p = re.fullmatch(rb"c2sp.org/tlog-proof@v1\nextra ([A-Za-z0-9+/]+=*)\nindex (0|[1-9][0-9]{0,14})\n((?:[A-Za-z0-9+/]{43}=\n)*)"
                     rb"\n((.*)\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n(?:.+\n)*)\n"
                     rb"((?:\xe2\x80\x94 [!-*,-~]+ [A-Za-z0-9+/]+=*\n)+)", data)
    need(p and b"\0" not in data and p.group(5) == name, "not a proof of this log")
    leaf, at, path, last, typed = b64(p.group(1)), int(p.group(2)), p.group(3).split(), int(p.group(6)) - 1, b64(typed)
    need(typed[:1] == b"\1" and H(name, b"\n", typed)[:4].hex().encode() == key_id, "not a key of Ed25519")
    signatures = [b64(s) for s in re.findall(rb"\xe2\x80\x94 " + re.escape(name) + rb" (\S+)\n", p.group(8))]
    mine, node = [s for s in signatures if s[:4].hex().encode() == key_id], H(b"\0", leaf)
    need(mine and all(base64.b64encode(b64(x)) == x for x in path + [p.group(1)]), "not signed by this key")
    for s in mine:
        with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as sig, tempfile.NamedTemporaryFile() as body:
            for f, text in (key, bytes.fromhex("302a300506032b6570032100") + typed[1:]), (sig, s[4:]), (body, p.group(4)):
                f.write(text), f.flush()
            subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key.name, "-rawin", "-in",
                            body.name, "-sigfile", sig.name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for sibling in map(b64, path):  # RFC 9162, 2.1.3.2
        node, right = (H(b"\1", sibling, node), True) if at % 2 or at == last else (H(b"\1", node, sibling), False)
        need(last > 0, "the path is too long")
        while right and at % 2 == 0 and at > 0: at, last = at // 2, last // 2  # noqa: E701
        at, last = at // 2, last // 2
    need(last == 0 and node == b64(p.group(7)) and (b'"seq":%d,"t":' % (int(p.group(2)) + 1)) in leaf, "not in the tree")
except (ValueError, IndexError, OSError, subprocess.SubprocessError) as why:
    sys.exit("NOT PROVED: %s" % why)
print(leaf.decode("ascii", "backslashreplace") + "\nOK: entry %d of %s of %s" % (int(p.group(2)) + 1, p.group(6).decode(), name.decode()))
