#!/usr/bin/env python3
"""What `make lint` checks beyond formatting: who may include whom, who owns a library, banned calls, headers that
explain themselves, who writes what in the engine, files that stay readable. --self-test proves that each rule catches what it names."""
import re
import subprocess
import sys

ROOMS = {
    "core": set(),
    "conf": {"core"},
    "web": {"core"},
    "client": {"core"},
    "db": {"core"},
    "audit": {"db", "core"},
    "intel": {"db", "core"},
    "engine": {"client", "intel", "audit", "db", "core"},
    "views": {"core"},
    "themes": {"views", "conf", "core"},
    "tui": {"themes", "engine", "views", "client", "audit", "core", "conf"},
    "drill": {"conf", "core"},
    "cli": {"drill", "tui", "themes", "engine", "views", "intel", "audit", "client", "conf", "web", "core"},
}
# One owner for each library.
OWNERS = {
    r"(n?curses(w/curses)?|term)\.h": ["tui/term.c"],
    r"curl/curl\.h": ["client/http.c", "client/syslog.c"],
    r"sqlite3\.h": ["db/db.c"],
    r"archive(_entry)?\.h": ["intel/unpack.c"],
    r"yaml\.h": ["conf/yaml.c"],
    r"jansson\.h": ["core/json.c"],
    r"utf8proc\.h": ["core/text.c"],
    r"microhttpd\.h": ["web/web.c", "drill/server.c"],
    r"openssl/.*\.h": ["core/digest.c", "audit/key.c", "audit/stamp.c"],
}
BANNED = {
    r"(strcpy|strcat|sprintf|vsprintf|gets|strtok|strncpy|strncat)": "unbounded or misleading: snprintf, struct buf",
    r"(atoi|atol|atoll|atof)": "no error reporting: strtoll with checks, fmt_*_parse",
    r"(sscanf|scanf|fscanf)": "overflow is undefined: parse by hand",
    r"(system|popen)": "a shell between us and the outside: posix_spawn",
    r"alloca": "unbounded stack",
    r"(rand|srand|random|drand48)": "unseeded: core/rng.h",
    r"(asctime|ctime|gmtime|localtime|strftime)": "shared state or locale: core/fmt.h",
    r"(setlocale)": "only tui/term.c",
    r"(lgamma)": "signgam is shared: lgamma_r",
}
ALLOWED = {("setlocale", "tui/term.c"), ("setlocale", "tui/plain.c")}
CLOCKS = re.compile(r"\b(time|gettimeofday|clock_gettime|clock|timespec_get)\s*\(\s*(NULL|&|CLOCK_)")
CLOCK_FILES = ("core/clock.c", "engine/aside.c", "tui/", "tests/", "drill/clock.c", "cli/")
MAX_LINES = 500
# Files that read bytes which somebody else wrote, and which may hold a NUL anywhere: no function there that stops at
# one, whatever its argument is said to be. core/slice.h, memchr and memcmp have a length; strlen("literal") is fine.
BYTES_FROM_OUTSIDE = {
    "client/exposition.c", "client/plain.c", "client/prometheus_read.c", "client/hawkbit_scan.c",
    "audit/leaf.c", "audit/leaf_text.c", "audit/note.c", "audit/check.c", "audit/read_export.c", "audit/verify_export.c",
    "core/csv.c", "audit/wire.c", "audit/manifest.c", "audit/left_out.c", "audit/opening.c", "audit/seals.c",
    "drill/rsql.c", "tui/keys.c",
    "core/version.c", "core/version_package.c", "core/version_pep440.c", "core/purl.c", "core/purl_key.c", "core/cpe.c",
    "core/osv_range.c", "core/cvss.c",
}
ENDS_AT_NUL = (r"(?:x?strn?dup|str(?:n?len|n?(?:case)?cmp|r?chr|chrnul|(?:case)?str|pbrk|c?spn|sep|tok_r|coll)|"
               r"strto(?:d|f|ld|l|ul|ll|ull|imax|umax)(?:_l)?|stpn?cpy|getline|getdelim|fputs|puts|text_next|"
               r"fmt_\w+_parse)")
# A number whose every character has been looked at, in a terminated copy; there is no strtod with a length.
ENDS_AT_NUL_ALLOWED = {("strtod_l", "client/exposition.c"), ("xstrndup", "drill/rsql.c")}
# The bytes of a slice (its member p) where a terminated string is expected: in every file.
TAKES_STRING = (r"(?:" + ENDS_AT_NUL + r"|buf_adds|arena_strdup|json_w_k?str|json_w_key|slice_of|slice_is|setenv|"
                r"open(?:at)?)")
# The parts of the engine, by the name of their state in struct engine, ro, wv and op, and the files that write it: all
# that begin so. Everybody may read.
PARTS = {
    "turn": ["engine/turn."],
    "door": ["engine/door."],
    "diary": ["engine/diary"],
    "facts": ["engine/facts"],
    "plans": ["engine/plans"],
    "policy": ["engine/policy."],
    "watch": ["engine/watch"],
    "telemetry": ["engine/telemetry."],
    "trials": ["engine/trial"],
    "judge": ["engine/judge"],
    "stop": ["engine/stop"],
    "notes": ["engine/notes"],
    "verbs": ["engine/verbs"],
    "act": ["engine/verbs."],
    "rollback": ["engine/rollback"],
    "recover": ["engine/recover."],
    "census": ["engine/census."],
    "inventory": ["engine/inventory"],
    "outlook": ["engine/outlook."],
    "detail": ["engine/detail"],
    "tell": ["engine/tell."],
    "witness": ["engine/witness."],
    "approvals": ["engine/approvals."],
    "show": ["engine/show"],
}
# What stands in those structs beside the parts.
BASES = {"op": ["engine/verbs_ops."], "ro": ["engine/facts"], "en": ["engine/main."]}
# mark()
SHARED = ("engine/worker.h",)


def strip(text):
    """The code without comments, and with string contents blanked."""
    def blank(m):
        s = m.group(0)
        return "\n" * s.count("\n") if s[0] == "/" else '""' if s[0] == '"' else "' '"
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def includes(path, text):
    room = path.split("/")[0]
    for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', text, re.M):
        kind, what = m.groups()
        line = text.count("\n", 0, m.start()) + 1
        if kind == '"' and room in ROOMS:
            other = what.split("/")[0]
            if "/" not in what or other not in ROOMS:
                yield line, f'include "{what}" is not written from the top folder'
            elif other != room and other not in ROOMS[room]:
                yield line, f"{room}/ may not know {other}/ (see docs/architecture.md)"
        if kind == "<" and not path.startswith("tests/"):
            for pat, owners in OWNERS.items():
                if re.fullmatch(pat, what) and path not in owners:
                    yield line, f"<{what}> belongs to {', '.join(owners)}"


def calls(path, text):
    code = strip(text)
    for n, line in enumerate(code.split("\n"), 1):
        if not path.startswith("tests/") or "/support/" in path:
            for pat, why in BANNED.items():
                m = re.search(r"(?<![\w.>])" + pat + r"\s*\(", line)
                if m and (m.group(1) if m.groups() else pat, path) not in ALLOWED:
                    yield n, f"{m.group(0)}...) is banned: {why}"
        if re.search(r"(?<!\w)(sleep|usleep|nanosleep)\s*\(", line):
            yield n, "no sleeping: wait for the event itself"
        if CLOCKS.search(line) and not path.startswith(CLOCK_FILES):
            yield n, "time is handed in: struct clock"


def slices(path, text):
    if path.startswith("tests/") and "/fuzz/" not in path:
        return
    code = strip(text)
    for n, line in enumerate(code.split("\n"), 1):
        if path in BYTES_FROM_OUTSIDE:
            for m in re.finditer(r"(?<![\w.>])(" + ENDS_AT_NUL + r")\s*\((?!\"\"\))", line):
                if (m.group(1), path) not in ENDS_AT_NUL_ALLOWED:
                    yield n, f"{m.group(1)}() stops at a NUL; these bytes come from outside: core/slice.h, memchr"
        m = re.search(r"(?<![\w.>])(" + TAKES_STRING + r")\s*\((?:[^();]*,\s*)?[\w\].>-]*\.p\s*[,)]", line)
        if m and (m.group(1), path) not in ENDS_AT_NUL_ALLOWED:
            yield n, f"{m.group(1)}() reads a slice's bytes up to a NUL that need not be there"
    for m in re.finditer(r'[^;{}]*%s[^;{}]*;', re.sub(r"/\*.*?\*/", lambda c: "\n" * c.group(0).count("\n"), text,
                                                     flags=re.S)):
        if re.search(r"[\w\])]\.p\s*[,)]", m.group(0)) and "%.*s" not in m.group(0):
            yield text.count("\n", 0, m.start()) + 1, "%s reads a slice's bytes up to a NUL: %.*s, or safe_text_into"


def globals_(path, text):
    """File-scope variables that can change. static const, functions and types are fine."""
    if path.startswith("tests/") or path in ("tui/term.c",):
        return
    code = strip(text)
    for n, line in enumerate(code.split("\n"), 1):
        if re.match(r"(static )?(?!const\b|extern\b|typedef\b|return\b)[a-z_][\w ]*[ *]+\w+(\[[^\]]*\])*\s*(=[^=].*|;)\s*$", line):
            if "(" in line.split("=")[0] or re.search(r"\bconst\b", line.split("=")[0]):
                continue
            if re.match(r"(struct|enum|union) \w+;", line):
                continue
            yield n, "a file-scope variable that can change"


def headers(path, text):
    if not path.endswith(".h") or path.startswith("tests/"):
        return
    if not re.match(r"/\*", text):
        yield 1, "a header opens with a paragraph that says what the module is for"
    guard = "ANDON_" + re.sub(r"[/.]", "_", path).upper()
    if f"#ifndef {guard}" not in text:
        yield 1, f"include guard should be {guard}"
    lines = text.split("\n")
    for n, line in enumerate(lines, 1):
        if not re.match(r"^(?!static|typedef|#|extern|struct \w+ \{|enum|union|return|\}|\s|/|\*)[a-z].*\w\(.*", line):
            continue
        # A declaration needs a comment above it, in it, or above the run of declarations that it belongs to.
        k = n - 2
        while k >= 0 and lines[k].strip() and not lines[k].rstrip().endswith("*/") and "/*" not in lines[k]:
            k -= 1
        own = "/*" in line
        if not own and (k < 0 or not lines[k].strip()):
            yield n, "a public function without a word about it: " + line[:60]


# (a snapshot, s, has members of such names too)
PART = r"(?<!\bs)(?:->|\.)(?P<part>%s)\." % "|".join(PARTS)
STEPS = r"\w+(?:\[[^\]]*\]|\.\w+)*"
CHANGE = r"\s*(?:=(?!=)|[-+*/%&|^]=|<<=|>>=|\+\+|--)"
WRITERS = r"\b(?:memset|memcpy|memmove|v?snprintf|safe_text_into|err_set|err_clear|free|arena_\w+|track_\w+|" \
          r"verdict_\w+|watch_set_(?:add|clear|free|name)|boot_counter_feed|__atomic_store_n|pthread_\w+)"
PLACE = r"[\w>.\[\]-]*?"
WRITES = [re.compile(p) for p in (
    PART + STEPS + CHANGE,
    r"(?:\+\+|--)" + PLACE + PART,
    WRITERS + r"\s*\(\s*&?" + PLACE + PART + STEPS + r"\s*[,)]",
    r"(?<!const )\bstruct \w+ \*\w+ = &" + PLACE + r"(?:->|\.)(?P<part>%s)\b" % "|".join(PARTS),
)]
BASE_WRITES = re.compile(r"\b(?P<part>%s)->\w+(?:\[[^\]]*\])*" % "|".join(BASES) + CHANGE + "|" + WRITERS +
                         r"\s*\(\s*&?(?P<part2>%s)->\w+\s*[,)]" % "|".join(BASES))


def parts(path, text):
    """No file of the engine writes another part's fields: it calls a function of that part."""
    if not path.startswith("engine/") or path in SHARED:
        return
    code = strip(text)
    for pat in WRITES:
        for m in pat.finditer(code):
            if not path.startswith(tuple(PARTS[m.group("part")])):
                yield code.count("\n", 0, m.start()) + 1, f"writes what belongs to the part {m.group('part')}"
    for m in BASE_WRITES.finditer(code):
        owner = m.group("part") or m.group("part2")
        if not path.startswith(tuple(BASES[owner])):
            yield code.count("\n", 0, m.start()) + 1, f"writes a field of {owner} that belongs to {BASES[owner][0]}c"


def sizes(path, text):
    n = text.count("\n")
    if n > MAX_LINES and not path.startswith("tests/"):
        yield n, f"{n} lines: more than {MAX_LINES}, probably two things"


def words(path, text):
    if path.startswith("tests/") or path in ("scripts/lint-rules.py",):
        return
    for n, line in enumerate(text.split("\n"), 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield n, "left for later: finish it, or say it in an issue"


# What one server calls its things, and how it is asked: known in client/ (and played in drill/) only. struct
# device_filter and enum cap say the rest of the program what it needs to know.
SERVERS_WORDS = re.compile(r"rsql|controller_?id|distribution_?sets?\b|deploy_?groups?\b|target_?filter|(?:installed|assigned)ds\b|"
                           r"software_?modules?\b|/rest/v1|/api/v1/dev|iot_?jobs?\b|deployment_?groups?\b", re.I)


def port(path, text):
    """The engine and core/ know no server's language, not even in a comment."""
    if not path.startswith(("engine/", "core/")):
        return
    for n, line in enumerate(text.split("\n"), 1):
        m = SERVERS_WORDS.search(line)
        if m:
            yield n, f"{m.group(0)!r} is one server's word: it belongs to client/"


RULES = [includes, calls, slices, globals_, headers, parts, sizes, words, port]

SELF_TEST = [
    ("views/a.c", '#include "engine/engine.h"\n', includes),
    ("core/a.c", '#include "a.h"\n', includes),
    ("views/a.c", "#include <curses.h>\n", includes),
    ("engine/a.c", "#include <curl/curl.h>\n", includes),
    ("core/a.c", "void f(void)\n{\n    strcpy(a, b);\n}\n", calls),
    ("core/a.c", "    x = time(NULL);\n", calls),
    ("tests/core/a.c", "    usleep(3);\n", calls),
    ("client/exposition.c", "    if (strncmp(name, wanted, n) == 0)\n", slices),
    ("client/exposition.c", "    x = strlen(line);\n", slices),
    ("audit/leaf.c", "    const char *f = strchr(from, c);\n", slices),
    ("audit/leaf.c", "    v = strtoll(p, &end, 10);\n", slices),
    ("drill/rsql.c", "    char *v = xstrdup(from);\n", slices),
    ("conf/a.c", "    buf_adds(&b, l.kind.p);\n", slices),
    ("conf/a.c", "    if (strcmp(m->key.p, word) == 0)\n", slices),
    ("conf/a.c", '    snprintf(b, sizeof b, "%s",\n             s.p);\n', slices),
    ("core/a.c", "static int counter;\n", globals_),
    ("core/a.c", "struct x *list = 0;\n", globals_),
    ("core/a.h", "int f(void);\n", headers),
    ("core/a.h", "/* x */\n#ifndef ANDON_CORE_A_H\n\nint f(void);\n", headers),
    ("engine/judge.c", "    ro->stop.held = true;\n", parts),
    ("engine/judge.c", "    op->ro->stop.waits[i + 1].corr = 3;\n", parts),
    ("engine/judge.c", "    en->facts.all[i]->stop.sending--;\n", parts),
    ("engine/judge.c", "    --ro->stop.sending;\n", parts),
    ("engine/judge.c", "    if (x)\n        snprintf(ro->stop.paused_by,\n                 3, x);\n", parts),
    ("engine/judge.c", "    memset(&ro->wv[i].watch.members, 0, 3);\n", parts),
    ("engine/judge.c", "    struct ro_stop *h = &ro->stop;\n", parts),
    ("engine/judge.c", "    struct dev *d = &en->watch.devs[i];\n", parts),
    ("engine/verbs.c", "    op->phase = OP_DONE;\n", parts),
    ("engine/stop.c", "    op->busy++;\n", parts),
    ("engine/judge.c", "    ro->id[0] = 0;\n", parts),
    ("core/a.c", "\n" * 600, sizes),
    ("core/a.c", "/* TODO */\n", words),
    ("engine/a.c", '    buf_adds(&b, "controllerid=in=(");\n', port),
    ("core/a.h", "/* a target filter (RSQL) */\n", port),
    ("engine/a.c", "    s->distribution_set = 3;\n", port),
]
CLEAN = [
    ("core/a.c", '#include "core/err.h"\nstatic const char *const t[] = {"time(NULL)"};\n/* strcpy( */\n'),
    ("client/exposition.c", 'void f(void)\n{\n    n = strlen("# EOF") + my_strlen(x);\n    memchr(s.p, 0, s.n);\n}\n'),
    ("audit/a.c", 'void f(void)\n{\n    snprintf(b, 9, "%.*s", (int)s.n, s.p);\n    fd = open(dir, O_RDONLY);\n}\n'),
    ("engine/stop_state.c", "    ro->stop.held = x == 1;\n    struct ro_stop *h = &ro->stop;\n"),
    ("engine/judge.c", "    if (ro->stop.held == op->busy)\n        f(&ro->stop.by);\n    ro->judge.x = ro->stop.y;\n"
                       "    const struct ro_stop *h = &ro->stop;\n    en->facts.all[i]->judge.x++;\n"),
    ("client/hawkbit_rsql.c", '    buf_adds(&b, "controllerid=in=(");\n'),
    ("engine/a.c", "/* hawkBit keeps the set */\n    struct device_filter distribution;\n"),
    ("core/a.h", "/* What it is. */\n#ifndef ANDON_CORE_A_H\n\n/* Does f. */\nint f(void);\nint g(void);\n"),
]


def main():
    if "--self-test" in sys.argv:
        for path, text, rule in SELF_TEST:
            if not list(rule(path, text)):
                sys.exit(f"rule {rule.__name__} misses {text[:60]!r}")
        for path, text in CLEAN:
            for rule in RULES:
                for hit in rule(path, text):
                    sys.exit(f"rule {rule.__name__} complains of clean code: {hit}")
        return
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    bad = 0
    for path in files:
        try:
            text = open(path, encoding="utf-8").read()
        except FileNotFoundError:
            continue
        for rule in RULES:
            for line, why in rule(path, text):
                print(f"{path}:{line}: {why}")
                bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
