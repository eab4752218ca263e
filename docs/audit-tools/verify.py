#!/usr/bin/env python3
"""verify.py [VKEY [FOLDER [ROOT [CAFILE]]]]: verifies an exported folder of an andon audit log, as verify.sh does.

VKEY is the log's verifier key ("": the one in the folder), ROOT what the root must be, from notes of your own; CAFILE, a PEM
file with the root of a time stamping authority: time stamps are judged with it, by openssl ts -verify. Needs Python 3.6 and the openssl command (3.0 or newer). Exit: 0 verified, 1 not, 2 cannot tell."""
import base64
import calendar
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time


def bad(why):
    print("TAMPERED: " + why, file=sys.stderr)
    sys.exit(1)


def cannot(why):
    print("CANNOT TELL: " + why, file=sys.stderr)
    sys.exit(2)


def need(good, why):
    if not good:
        bad(why)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read_key(vkey):
    """Name, key hash and raw public key of a verifier key of Ed25519, or None."""
    m = re.fullmatch(rb"([!-*,-~]{1,100})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", vkey)
    typed = base64.b64decode(m.group(3)) if m else b""
    if typed[:1] != b"\1" or sha(m.group(1), b"\n", typed)[:4].hex().encode() != m.group(2):
        return None
    return m.group(1), bytes.fromhex(m.group(2).decode()), typed[1:]


def pem(public):
    der = bytes.fromhex("302a300506032b6570032100") + public
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"


def signed(body, lines, key):
    """Is one of the signature lines the key's, and right for the body?"""
    found = False
    with tempfile.TemporaryDirectory() as d:
        for line in lines:
            m = re.fullmatch("— ".encode() + re.escape(key[0]) + rb" ([A-Za-z0-9+/]+=*)", line)
            try:
                raw = base64.b64decode(m.group(1), validate=True) if m else b""
            except ValueError:
                raw = b""
            if raw[:4] != key[1] or base64.b64encode(raw) != m.group(1):
                continue
            paths = [os.path.join(d, n) for n in ("key", "sig", "body")]
            for path, data in zip(paths, (pem(key[2]), raw[4:], body)):
                with open(path, "wb") as f:
                    f.write(data)
            rc = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", paths[0], "-rawin", "-in", paths[2],
                                 "-sigfile", paths[1]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if len(raw) != 68 or rc.returncode != 0:
                return False
            found = True
    return found


def look_at_openssl():
    """What cannot check a signature must not say that it is wrong: before 3.0 there was no -rawin, which Ed25519 needs."""
    try:
        said = subprocess.run(["openssl", "pkeyutl", "-help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    except OSError:
        cannot("openssl is not installed")
    if b"-rawin" not in said:
        cannot("this openssl cannot check signatures of Ed25519: 3.0 is needed")


def split_note(data, what):
    """The text of a note and its signature lines."""
    at = data.find(b"\n\n")
    need(at > 0 and data.endswith(b"\n") and b"\0" not in data, what + " is not well formed")
    return data[:at + 1], data[at + 2:].split(b"\n")[:-1]


def checkpoint(data, key, want):
    body, lines = split_note(data, "the checkpoint")
    m = re.match(rb"(.*)\n(0|[1-9][0-9]{0,14})\n([A-Za-z0-9+/]{43}=)\n", body)
    need(m and all(re.fullmatch("— ".encode() + rb"[!-*,-~]+ [A-Za-z0-9+/]+=*", x) for x in lines),
         "the checkpoint is not well formed")
    need(m.group(1) == key[0], "the checkpoint is of another log than the key")
    need(signed(body, lines, key), "the checkpoint is not signed by key " + key[1].hex())
    root = base64.b64decode(m.group(3))
    need(not want or root.hex() == want, "the root is %s, not the one that you expect" % root.hex())
    return int(m.group(2)), root


def listing(folder):
    """Names of the files, "blobs/" with them. Nothing is opened that is not a regular file."""
    names = []
    for sub in (b"", b"blobs/"):
        if sub and b"blobs" not in names:
            continue
        for name in os.listdir(folder + b"/" + sub):
            mode = os.lstat(folder + b"/" + sub + name).st_mode
            need(stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and sub + name == b"blobs"),
                 "the folder holds a link, a pipe, a device or a folder")
            names.append(sub + name)
    return names


FILE = re.compile(rb"([0-9a-f]{64}) (0|[1-9][0-9]{0,17}) ([a-z0-9._-]{1,64}) "
                  rb"(blobs/\1|(?!blobs\n|manifest\n)[A-Za-z0-9][A-Za-z0-9._-]{0,63})\n")
HEAD = re.compile(rb"andon manifest 1\norigin (.{1,100})\nsize (0|[1-9][0-9]{0,17})\nroot ([0-9a-f]{64})\n"
                  rb"shown (0|[1-9][0-9]{0,17})\nselected [ -~]{1,400}\n")


def manifest(data, key):
    text, lines = split_note(data, "the manifest")
    m = HEAD.match(text)
    files = [FILE.fullmatch(x + b"\n") for x in text[m.end():].split(b"\n")[:-1]] if m else []
    names = [f.group(4) for f in files if f]
    need(m and all(files) and len(lines) == 1 and all(a < b for a, b in zip(names, names[1:])),
         "the manifest is not well formed")
    need(m.group(1) == key[0], "the manifest is of another log than the key")
    need(signed(text, lines, key), "the manifest is not signed by key " + key[1].hex())
    return m, {f.group(4): f for f in files}


def digest(path):
    h, size = hashlib.sha256(), 0
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            h.update(chunk)
            size += len(chunk)
    return h.hexdigest().encode(), size


def plain(pairs):
    """One object of an entry: whole numbers, strings and objects, nothing else."""
    for k, v in pairs:
        if not re.fullmatch(r'[ !#-\[\]-~]*', k) or type(v) not in (str, int, dict) or (type(v) is str and "\0" in v) or \
                (type(v) is int and abs(v) > 9007199254740991):
            raise ValueError(k)
    return dict(pairs)


def depth(o):
    return 1 + max([depth(v) for v in o.values() if type(v) is dict], default=0)


def entry_of(line):
    """What the line says; ValueError unless it is written as andon writes it and takes it: each entry has one line only.
    Keys in their order, no blanks, the escapes that are needed and no others, valid UTF-8, whole numbers."""
    text = line.decode()
    e = json.loads(text, object_pairs_hook=plain)
    again = json.dumps(e, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    again = re.sub("[\x7f-\x9f]", lambda m: "\\u%04x" % ord(m.group()), again)
    if type(e) is not dict or again != text or len(line) > 16384 or depth(e) > 4 or type(e.get("kind")) is not str or \
            type(e.get("t")) not in (int, dict) or type(e.get("mono_us", 0)) not in (int, dict) or \
            type(e.get("seq")) is not int or e["seq"] < 1 or type(e.get("actor", {})) not in (dict, str, int) or \
            (type(e.get("corr", {})) is not dict and not re.fullmatch("[0-9a-f]{16}", str(e["corr"]))) or \
            type(e.get("corr")) is int:
        raise ValueError("not its one form")
    if e["kind"] == "receipt" and {"token.blob", "checkpoint.blob"} <= set(e.get("f", {})):
        STAMPS.append((e["seq"], e["f"]["checkpoint.blob"], e["f"]["token.blob"]))
    return e


STAMPS = []  # entries that are time stamps


def tree(entries, left, size):
    """Root of the whole log, how many entries are shown, the blobs that they name, what they commit to (by number and path),
    the blobs that say what was erased, and the number of the entry before the first."""
    stack, at, shown, blobs, committed, erased, base = [], 0, 0, set(), {}, [], 0

    def push(node, count):
        nonlocal at
        need(at % count == 0, "left-out is not well formed")
        at += count
        while stack and stack[-1][1] == count:
            node, count = sha(b"\1", stack.pop()[0], node), count * 2
        stack.append((node, count))

    def skip():
        while left and left[-1][0] == at + 1:
            _, count, node = left.pop()
            push(node, count)

    with open(entries, "rb") as f:
        for line in f:
            skip()
            need(line.endswith(b"\n"), "entries.jsonl is cut off")
            try:
                entry = entry_of(line[:-1])
                seq, fields = entry["seq"], entry.get("f", {})
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                bad("entry %d is not in canonical form" % (at + 1))
            need(seq == at + 1, "in the place of entry %d stands entry %s" % (at + 1, seq))
            for k, v in fields.items():
                if re.fullmatch(r"blob|blob\..+|.+\.blob", k) and re.fullmatch(r"[0-9a-f]{64}", str(v)):
                    blobs.add(b"blobs/" + v.encode())
            values = entry.get("committed", {})
            for k, v in values.items() if isinstance(values, dict) else ():
                if re.fullmatch(r"[0-9a-f]{64}", str(v)):
                    committed[seq, k.encode()] = v
            if entry.get("kind") == "redact" and re.fullmatch(r"[0-9a-f]{64}", str(fields.get("erased.blob"))):
                erased.append("blobs/" + fields["erased.blob"])
            if at == 0 and isinstance(fields.get("previous.newest"), int):
                base = fields["previous.newest"]
            push(sha(b"\0", line[:-1]), 1)
            shown += 1
    skip()
    need(not left, "left-out does not fit between the entries")
    need(at == size, "%d entries, but the checkpoint signs %d" % (at, size))
    need(stack, "there is no entry")
    node = stack.pop()[0]
    while stack:
        node = sha(b"\1", stack.pop()[0], node)
    return node, shown, blobs, committed, erased, base


OPENING = re.compile(rb'([1-9][0-9]{0,14}) ([a-z0-9._-]{1,64}) [0-9a-f]{64} ("[^\0-\x1f\x7f]*"|-?(?:0|[1-9][0-9]{0,17}))')


def openings(folder, names, committed, erased, base):
    """Each line is one that an entry commits to. In words, how many are open, erased, or just not here."""
    opened, last, gone = set(), (0, b""), set()
    if b"openings" in names:
        with open(folder + b"/openings", "rb") as f:
            for line in f:
                m = OPENING.fullmatch(line[:-1]) if line.endswith(b"\n") else None
                at = (int(m.group(1)), m.group(2)) if m else last
                need(at > last, "openings is not well formed")
                need(committed.get(at) == hashlib.sha256(line[:-1]).hexdigest(), "there is an opening that no entry commits to")
                opened.add(at)
                last = at
    for name in erased:
        with open(folder + b"/" + name.encode(), "rb") as f:
            for line in f:
                number, _, path = line.rstrip(b"\n").partition(b" ")
                gone.add((int(number) - base, path) if number.isdigit() else None)
    n, k, e = len(committed), len(opened), sum(x in gone and x not in opened for x in committed)
    return "; %d committed values: %d open, %d erased, %d without an opening here" % (n, k, e, n - k - e) if n else ""


def openssl(*words):
    r = subprocess.run(("openssl",) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return r.stdout.decode("utf-8", "replace") if r.returncode == 0 else ""


def judge_stamps(folder, key, ca):
    """Each is of a checkpoint that the log's key has signed, and good at its own time by that root. That the checkpoint is of
    these entries' past andon alone compares."""
    good, newest = 0, ""
    for _, data, token in STAMPS:
        need(all(re.fullmatch("[0-9a-f]{64}", str(x)) for x in (data, token)), "a time stamp names no blobs")
        data, token = (folder + b"/blobs/" + x.encode() for x in (data, token))
        with open(data, "rb") as f:
            body, lines = split_note(f.read(), "a checkpoint that was stamped")
        need(body.split(b"\n")[0] == key[0] and signed(body, lines, key),
             "a time stamp is of a checkpoint that key %s has not signed" % key[1].hex())
        at = re.search("^Time stamp: (.* GMT)$", openssl("ts", "-reply", "-in", token, "-token_in", "-token_out", "-text"), re.M)
        try:
            when = calendar.timegm(time.strptime(re.sub(r"\.[0-9]+ ", " ", at.group(1)), "%b %d %H:%M:%S %Y GMT")) if at else None
        except ValueError:
            when = None
        if when is not None and "OK" in openssl("ts", "-verify", "-data", data, "-in", token, "-token_in", "-CAfile", ca, "-attime", str(when)):
            good, newest = good + 1, "; the newest: %d entries by %s" % (int(body.split(b"\n")[1]), at.group(1))
    print("%d of %d time stamps are good by that root%s" % (good, len(STAMPS), newest))
    if good < len(STAMPS):
        print("The others are of another authority, or no time stamps of their checkpoints.")


def main():
    args = [os.fsencode(a) for a in sys.argv[1:5]] + [b""] * 4
    folder = args[1] or os.fsencode(os.environ.get("ANDON_EXPORT") or os.path.dirname(os.path.abspath(__file__)))
    want = args[2].decode("ascii", "replace")
    if not os.path.isdir(folder):
        cannot("no such folder")
    look_at_openssl()
    if args[3] and not os.access(args[3], os.R_OK):
        cannot("CAFILE cannot be read")
    names = listing(folder) if os.path.lexists(folder + b"/manifest") else cannot("there is no manifest there")

    def get(name):
        need(name in names, name.decode() + " is missing")
        with open(folder + b"/" + name, "rb") as f:
            return f.read()

    vkey = get(b"vkey")
    key = read_key(vkey[:-1]) if vkey.endswith(b"\n") else None
    need(key, "vkey is no verifier key")
    need(not args[0] or args[0] == vkey[:-1], "signed by key %s, not by the key that you expect" % key[1].hex())
    need(get(b"log.pub") == pem(key[2]), "vkey and log.pub are not the same key")
    m, files = manifest(get(b"manifest"), key)
    need(set(names) - {b"manifest", b"blobs"} == set(files), "the folder does not hold what the manifest names")
    need(b"blobs" not in names or any(f.startswith(b"blobs/") for f in files), "the manifest names no blobs")
    for name, f in files.items():
        need(digest(folder + b"/" + name) == (f.group(1), int(f.group(2))),
             "%s is not the file that the manifest names" % name.decode())
    size, root = checkpoint(get(b"checkpoint"), key, want)
    left = get(b"left-out").split(b"\n") if b"left-out" in files else [b""]
    runs = [re.fullmatch(rb"([1-9][0-9]{0,14}) ([1-9][0-9]{0,14}) ([0-9a-f]{64})", x) for x in left[:-1]]
    need(left[-1] == b"" and all(r and int(r.group(2)) & (int(r.group(2)) - 1) == 0 for r in runs),
         "left-out is not well formed")
    with open(folder + b"/entries.jsonl", "rb") as f:
        need(b'"vkey":"' + vkey[:-1] + b'"' in f.readline(), "the first entry does not name the key " + key[1].hex())
    runs = [(int(r.group(1)), int(r.group(2)), bytes.fromhex(r.group(3).decode())) for r in runs]
    node, shown, blobs, committed, erased, base = tree(folder + b"/entries.jsonl", runs[::-1], size)
    need(node == root, "the entries do not hash to the root that the checkpoint signs")
    need((int(m.group(2)), m.group(3), int(m.group(4))) == (size, root.hex().encode(), shown),
         "the manifest is of another state of the log than the entries")
    need(blobs <= set(files), "a blob that an entry names is missing")
    counts = openings(folder, files, committed, erased, base)
    part = "" if shown == size else "; a slice: %d of %d entries, nothing is said about the others" % (shown, size)
    print("OK (no receipt of a witness is looked at here: a roll back of the file is not excluded): %d entries of %s, signed by key %s%s%s\nroot %s" %
          (shown, key[0].decode(), key[1].hex(), counts, part, root.hex()))
    if STAMPS and args[3]:
        judge_stamps(folder, key, args[3])
    elif STAMPS:
        print("%d time stamps, in entries %s%s, were not judged: name their authority's root as CAFILE, or for each, openssl ts "
              "-verify -data blobs/CHECKPOINT.BLOB -in blobs/TOKEN.BLOB -token_in -CAfile CAFILE" %
              (len(STAMPS), ", ".join(str(s[0]) for s in STAMPS[:8]), ", ..." if len(STAMPS) > 8 else ""))
    if not args[0]:
        print("The key was not compared with one that you trust: python3 verify.py 'VKEY'")


main()
