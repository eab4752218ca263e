/* What can be done to a folder that is handed over: each change, and what all three verifiers say of it. */
#include "tests/audit/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/key.h"
#include "audit/note.h"
#include "core/redact.h"

enum { OK = DESK_OK, NO = DESK_TAMPERED, CANNOT = DESK_CANNOT };

struct change {
    const char *command; /* of the shell, in the folder */
    int want;
};

/* By somebody who has not the log's key. B is the folder's one blob. */
static const struct change WITHOUT_KEY[] = {
    {"sed -i '3s/mara/mark/' report.csv", NO},
    {"printf x >>report.csv", NO},
    {"printf '\\n' >>README", NO},
    {"sed -i 's/verified/VERIFIED/' verify.sh", NO},
    {"printf '\\n' >>verify.py", NO},
    {"printf '\\n' >>answers.py", NO},
    {"printf '\\n' >>vkey", NO},
    {"sed -i 's/A/B/' vkey", NO},
    {"sed -i '2s/A/B/' log.pub", NO},
    {"printf x >>log.pub", NO},
    {"printf 'x\\n' >>checkpoint", NO},
    {"printf 'more text\\n' >>checkpoint", NO},
    {"sed -i 's/$/\\r/' checkpoint", NO},
    {"sed -i '4s/mara/mark/' entries.jsonl", NO},
    {"sed -i '$d' entries.jsonl", NO},
    {"sed -i '5d' entries.jsonl", NO},
    {"sed -i 's/$/\\r/' entries.jsonl", NO},
    {"printf x >>$B", NO},
    {": >$B", NO},
    /* something more */
    {"echo x >extra", NO},
    {"echo x >.extra", NO},
    {"echo x >..extra", NO},
    {"echo x >...", NO},
    {"echo x >-n", NO},
    {"echo x >'a b'", NO},
    {"echo x >\"$(printf 'a\\nREADME')\"", NO},
    {"echo x >\"$(printf '\\033[2Jx')\"", NO},
    {"echo x >\"$(printf 'caf\\303\\251')\"", NO},
    {"echo x >\"$(printf 'bad\\377')\"", NO},
    {"echo x >'*'", NO},
    {"echo x >SHA256SUMS", NO},
    {"echo x >readme", NO},
    {"echo x >left-out", NO},
    {": >left-out", NO},
    {"mkdir sub", NO},
    {"mkdir .sub", NO},
    {"mkdir blobs/sub", NO},
    {"mkdir -p sub/blobs", NO},
    {"cp $B blobs/0000000000000000000000000000000000000000000000000000000000000000", NO},
    {"echo x >blobs/$(echo x | sha256sum | cut -c1-64)", NO},
    {"echo x >blobs/.hidden", NO},
    {"echo x >blobs/README", NO},
    {"cp $B $B.", NO},
    {"cp $B blob", NO},
    {"mkfifo pipe", NO},
    {"mkfifo blobs/pipe", NO},
    {"mkfifo .pipe", NO},
    {"ln -s README link", NO},
    {"ln -s /nonexistent link", NO},
    {"ln -s . blobs/link", NO},
    {"ln -s .. sub", NO},
    /* something less */
    {"rm README", NO},
    {"rm report.csv", NO},
    {"rm verify.sh", NO},
    {"rm verify.py", NO},
    {"rm answers.py", NO},
    {"rm log.pub", NO},
    {"rm vkey", NO},
    {"rm checkpoint", NO},
    {"rm entries.jsonl", NO},
    {"rm $B", NO},
    {"rm -r blobs", NO},
    {": >entries.jsonl", NO},
    {": >checkpoint", NO},
    {": >vkey", NO},
    {"rm manifest", CANNOT},
    /* something else in its place */
    {"rm README && ln -s verify.sh README", NO},
    {"mv report.csv ../r && ln -s ../r report.csv", NO},
    {"mv entries.jsonl ../e && ln -s ../e entries.jsonl", NO},
    {"mv manifest ../m && ln -s ../m manifest", NO},
    {"mv blobs ../b && ln -s ../b blobs", NO},
    {"mv $B ../blob && ln -s ../../blob $B", NO},
    {"rm report.csv && mkfifo report.csv", NO},
    {"rm entries.jsonl && mkfifo entries.jsonl", NO},
    {"rm checkpoint && mkfifo checkpoint", NO},
    {"rm vkey && mkfifo vkey", NO},
    {"rm manifest && mkfifo manifest", NO},
    {"rm $B && mkfifo $B", NO},
    {"rm -r blobs && mkfifo blobs", NO},
    {"rm -r blobs && : >blobs", NO},
    {"rm README && mkdir README", NO},
    {"rm manifest && mkdir manifest", NO},
    {"rm report.csv && ln -s /dev/zero report.csv", NO},
    {"mv README readme", NO},
    {"mv README t && mv verify.sh README && mv t verify.sh", NO},
    {"mv $B blobs/$(echo x | sha256sum | cut -c1-64)", NO},
    /* the manifest */
    {": >manifest", NO},
    {"printf '\\n' >>manifest", NO},
    {"printf x >>manifest", NO},
    {"printf 'more\\n' >>manifest", NO},
    {"tail -n 1 manifest >t && cat t >>manifest && rm t", NO},
    {"printf '\\342\\200\\224 other/key AAAAAAAA\\n' >>manifest", NO},
    {"sed -i 's/$/\\r/' manifest", NO},
    {"sed -i '1s/$/\\r/' manifest", NO},
    {"sed -i '$s/$/\\r/' manifest", NO},
    {"sed -i '$d' manifest", NO},
    {"sed -i '$s/$/ /' manifest", NO},
    {"printf %s \"$(cat manifest)\" >t && mv t manifest", NO},
    {"sed -i '1s/1/2/' manifest", NO},
    {"sed -i '2s/test/tesu/' manifest", NO},
    {"sed -i '3s/10/9/' manifest", NO},
    {"sed -i '3s/10/010/' manifest", NO},
    {"sed -i '4y/0123456789abcdef/1234567890bcdefa/' manifest", NO},
    {"sed -i '5s/10/9/' manifest", NO},
    {"sed -i '6s/everything/nothing/' manifest", NO},
    {"sed -i '/README/d' manifest && rm README", NO},
    {"sed -i '/report/d' manifest && rm report.csv", NO},
    {"sed -i '/README/{h;G}' manifest", NO},
    {"sed -i '7{h;d};8G' manifest", NO},
    {"sed -i '/README/s/readme/other/' manifest", NO},
    {"printf '\\n' >>README && sed -i \"/README/s/^[0-9a-f]*/$(sha256sum README | cut -c1-64)/\" manifest", NO},
    {"sed -i 's/ README$/ ..\\/README/' manifest && mv README ..", NO},
    {"sed -i 's/^\\(.*\\)README$/&\\n\\1x/' manifest && cp README x", NO},
    {"printf '\\000' >>manifest", NO},
    {"sed -i '$s/[a-z]/Q/3' manifest", NO},
    {"sed -i '$s/test/tesu/' manifest", NO},
};

/* By somebody who has it, or a fault of ours: the manifest is made anew and signed, and the rest must tell. */
static const struct change SIGNED_ANEW[] = {
    {":", OK},
    {"sed -i '3s/mara/mark/' report.csv", OK}, /* no more than the signature says so */
    {"echo x >extra", OK},
    {"sed -i '4s/mara/mark/' entries.jsonl", NO},
    {"sed -i '$d' entries.jsonl", NO},
    {"sed -i '5d' entries.jsonl", NO},
    {"sed -i '1d' entries.jsonl", NO},
    {"sed -i '4{h;d};5G' entries.jsonl", NO},
    {"sed -i '$p' entries.jsonl", NO},
    {"sed -i 's/$/ /' entries.jsonl", NO},
    {"sed -i 's/$/\\r/' entries.jsonl", NO},
    {": >entries.jsonl", NO},
    {"printf %s \"$(cat entries.jsonl)\" >t && mv t entries.jsonl", NO},
    {"printf '\\n' >>entries.jsonl", NO},
    {"printf '{}\\n' >>entries.jsonl", NO},
    {"printf '[1,\"seq\":11,\"t\":3]\\n' >>entries.jsonl", NO},
    {"sed -i '7s/.*/null/' entries.jsonl", NO},
    {"sed -i '2s/10/9/' checkpoint", NO},
    {"sed -i '2s/10/0010/' checkpoint", NO},
    {"sed -i '3y/abcdefghijklmnopqrstuvwxyz/bcdefghijklmnopqrstuvwxyza/' checkpoint", NO},
    {"sed -i '1s/test/tesu/' checkpoint", NO},
    {"sed -i '$d' checkpoint", NO},
    {"sed -i '5s/[a-z]/Q/3' checkpoint", NO},
    {"sed -i 's/$/\\r/' checkpoint", NO},
    {"printf 'more text\\n' >>checkpoint", NO},
    {"printf '\\n' >>checkpoint", NO},
    {"printf x >>checkpoint", NO},
    {"printf '\\342\\200\\224 other/key AAAAAAAA\\n' >>checkpoint", OK}, /* a witness's */
    {"printf '\\342\\200\\224 other/key AAAAAAAA ' >>checkpoint", NO},
    {"printf '\\342\\200\\224 other/key AAAAAAAA x\\n' >>checkpoint", NO},
    {"printf '\\342\\200\\224 other+key AAAAAAAA\\n' >>checkpoint", NO},
    {"printf '\\342\\200\\224  AAAAAAAA\\n' >>checkpoint", NO},
    {"tail -n 1 checkpoint >t && cat t >>checkpoint && rm t", OK},
    {"printf 'A\\n' >vkey", NO},
    {"printf '%s' \"$(cat vkey)\" >vkey", NO},
    {"printf '%s' \"$(cat vkey)\" >t && mv t vkey", NO},
    {"cat vkey vkey >t && mv t vkey", NO},
    {"sed -i 's/^andon/anton/' vkey", NO},
    {"printf '\\n' >>log.pub", NO},
    {"rm log.pub", NO},
    {"rm vkey", NO},
    {"rm checkpoint", NO},
    {"rm entries.jsonl", NO},
    {"rm $B", NO},
    {"rm -r blobs", NO},
    {"rm $B && echo x >blobs/$(echo x | sha256sum | cut -c1-64)", NO},
    {": >left-out", OK},
    {"echo x >left-out", NO},
    {"rm README", OK},
};

/* The same of a slice: entries 1, 5 and 6 of 10. */
static const struct change SLICE[] = {
    {":", OK},
    {"sed -i 2d left-out", NO},
    {"sed -i '$d' left-out", NO},
    {": >left-out", NO},
    {"rm left-out", NO},
    {"sed -i '1{h;d};2G' left-out", NO},
    {"sed -i '1p' left-out", NO},
    {"sed -i '$p' left-out", NO},
    {"sed -i '1y/0123456789abcdef/1234567890bcdefa/' left-out", NO},
    {"sed -i '2s/ 2 / 1 /' left-out", NO},
    {"sed -i '2s/ 2 / 3 /' left-out", NO},
    {"sed -i '2s/ 2 / 4 /' left-out", NO},
    {"sed -i '2s/ 2 / 02 /' left-out", NO},
    {"sed -i '2s/ 2 / 0 /' left-out", NO},
    {"sed -i '2s/^3/4/' left-out", NO},
    {"sed -i 's/^/0/' left-out", NO},
    {"sed -i 's/$/ /' left-out", NO},
    {"sed -i 's/$/\\r/' left-out", NO},
    {"sed -i 's/ [0-9a-f]*$/ &/' left-out", NO},
    {"sed -i 'y/abcdef/ABCDEF/' left-out", NO},
    {"printf '\\n' >>left-out", NO},
    {"printf '11 1 %064d\\n' 0 >>left-out", NO},
    {"printf %s \"$(cat left-out)\" >t && mv t left-out", NO},
    {"sed -i '2d' entries.jsonl", NO},
    {"sed -i '1d' entries.jsonl", NO},
    {"sed -i '2s/mara/mark/' entries.jsonl", NO},
    {"sed -i '2{h;d};3G' entries.jsonl", NO},
    {"sed -i '3p' entries.jsonl", NO},
};

/* The manifest's text, changed and signed as it then stands: its form is checked, not only its signature. */
static const struct change TEXT_SIGNED[] = {
    {":", OK},
    {"sed -i '6s/everything/all of it/' manifest", OK},
    {"sed -i '3s/10/9/' manifest", NO},
    {"sed -i '3s/10/010/' manifest", NO},
    {"sed -i '4y/0123456789abcdef/1234567890bcdefa/' manifest", NO},
    {"sed -i '5s/10/9/' manifest", NO},
    {"sed -i '6s/everything//' manifest", NO},
    {"sed -i \"6s/everything/$(printf 'caf\\303\\251')/\" manifest", NO},
    {"sed -i \"6s/everything/$(printf '\\033[2J')/\" manifest", NO},
    {"sed -i 6d manifest", NO},
    {"sed -i '1s/1/2/' manifest", NO},
    {"sed -i '2s/test/tesu/' manifest", NO},
    {"sed -i '6s/$/\\nnext line/' manifest", NO},
    {"sed -i '1,6s/$/\\r/' manifest", NO},
    {"sed -i '/README/s/ [0-9][0-9]* / 1 /' manifest", NO},
    {"sed -i 's/ readme README/ Readme README/' manifest", NO},
    {"sed -i 's/ readme README/  README/' manifest", NO},
    {"sed -i 's/ readme README/ readme  README/' manifest", NO},
    {"sed -i 's/ readme README/ readme README /' manifest", NO},
    {"sed -i 's/ readme README/ readme .\\/README/' manifest", NO},
    {"sed -i 's/ readme README/ readme ..\\/README/' manifest && cp README ..", NO},
    {"sed -i 's/ readme README/ readme .README/' manifest && mv README .README", NO},
    {"sed -i 's/ readme README/ readme manifest/' manifest", NO},
    {"sed -i 's/ readme README/ readme blobs/' manifest", NO},
    {"sed -i 's/ readme README/ readme sub\\/README/' manifest && mkdir sub && mv README sub", NO},
    {"sed -i 's/ readme README/ readme R*/' manifest && mv README 'R*'", NO},
    {"sed -i '/README/{h;G}' manifest", NO},
    {"sed -i '7{h;d};8G' manifest", NO},
    {"sed -i '/blobs/s/[0-9a-f]/0/' manifest", NO},
    {"sed -i '/README/s/^./Z/' manifest", NO},
    {"sed -i '/README/d' manifest", NO},
};

/* Of a log whose values are committed, and signed anew: openings that the entries do not commit to. */
static const struct change OPENINGS[] = {
    {":", OK},
    {"sed -i 1d openings", OK},
    {": >openings", OK},
    {"rm openings", OK},
    {"sed -i '0,/mara/s//mark/' openings", NO},
    {"sed -i '2s/ [0-9a-f]\\{64\\} / 0000000000000000000000000000000000000000000000000000000000000000 /' openings", NO},
    {"sed -i '2s/ [0-9a-f]/ 0/2;2s/0\\([0-9a-f]\\)/1\\1/' openings", NO},
    {"sed -i '1s/^1 /2 /' openings", NO},
    {"sed -i '$s/^/9/' openings", NO},
    {"sed -i '1s/host\\./hosts./' openings", NO},
    {"sed -i '1{h;d};2G' openings", NO},
    {"sed -i '1p' openings", NO},
    {"sed -i '$p' openings", NO},
    {"sed -i 's/$/ /' openings", NO},
    {"sed -i 's/$/\\r/' openings", NO},
    {"sed -i 's/^/0/' openings", NO},
    {"sed -i '1s/ /  /' openings", NO},
    {"printf '\\n' >>openings", NO},
    {"printf x >>openings", NO},
    {"printf '\\000' >>openings", NO},
    {"printf %s \"$(cat openings)\" >t && mv t openings", NO},
    {"printf '10 reason %064d \"x\"\\n' 0 >>openings", NO},
    {"printf '99 reason %064d \"x\"\\n' 0 >>openings", NO},
    {"printf '99 reason erased 3\\n' >>openings", NO},
    {"y=$(sed -n '/ reason /{s/^[^ ]* [^ ]* //p;q}' openings) && sed -i \"\\$s/[0-9a-f]\\{64\\} .*/$y/\" openings", NO},
    {"sed -i 's/\"committed\"/\"comitted\"/' entries.jsonl", NO},
};

/* The folder is `copy` of `from` in the box; $B in the command is its blob. */
static void change(const struct box *b, const char *from, const char *command, char copy[128])
{
    char line[700];
    snprintf(copy, 128, "%s/work/copy", b->dir);
    snprintf(line, sizeof line, "%s/work", b->dir);
    remove_tree(line);
    assert_int_equal(mkdir(line, 0700), 0);
    copy_tree(from, copy);
    snprintf(line, sizeof line, "B=$(echo blobs/*); %s", command);
    desk_run(copy, line);
}

static void each(const struct change *c, size_t n, const struct audit_query *q,
                 void (*sign)(const struct box *b, const char *dir), unsigned redactable)
{
    struct box b;
    char dir[128], copy[128];
    int failed = 0;
    box_init(&b);
    b.spec.redactable = redactable;
    desk_fill(&b, 9);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, &(struct audit_export_spec){.q = q}, dir);
    for (size_t i = 0; i < n; i++) {
        change(&b, dir, c[i].command, copy);
        if (sign)
            sign(&b, copy);
        struct desk d;
        desk_ask(&d, copy, NULL);
        if (d.andon != c[i].want || d.sh != c[i].want || d.py != c[i].want) {
            print_error("%s: expected %d; andon %d (%s), verify.sh %d, verify.py %d\n", c[i].command, c[i].want,
                        d.andon, d.why, d.sh, d.py);
            failed++;
        }
    }
    box_release(&b);
    assert_int_equal(failed, 0);
}

#define EACH(table, q, sign) each(table, sizeof(table) / sizeof *(table), q, sign, 0)

static void a_change_without_the_key_is_found(void **state)
{
    (void)state;
    EACH(WITHOUT_KEY, NULL, NULL);
}

static void what_the_key_cannot_make_good(void **state)
{
    (void)state;
    EACH(SIGNED_ANEW, NULL, desk_sign);
}

static void a_slice_hides_nothing(void **state)
{
    (void)state;
    EACH(SLICE, (&(struct audit_query){.from_seq = 5, .to_seq = 6}), desk_sign);
}

static void a_manifest_has_one_form(void **state)
{
    (void)state;
    EACH(TEXT_SIGNED, NULL, desk_sign_text);
}

static void an_opening_is_what_an_entry_commits_to(void **state)
{
    (void)state;
    each(OPENINGS, sizeof OPENINGS / sizeof *OPENINGS, NULL, desk_sign, REDACT_ALL);
}

/* Somebody signs it all with a key of his own, which the folder then names: the entries do not. */
static void another_key_for_everything(void **state)
{
    (void)state;
    struct box b, other;
    struct err e = {0};
    struct buf note, pem;
    struct note_key name;
    struct checkpoint cp;
    uint8_t pub[KEY_PUBLIC_LEN], sig[KEY_SIG_LEN];
    char dir[128], path[200];
    size_t n;
    box_init(&b);
    box_init(&other);
    desk_fill(&b, 9);
    desk_fill(&other, 1);
    snprintf(dir, sizeof dir, "%s/out", b.dir);
    desk_export(&b, NULL, dir);
    snprintf(path, sizeof path, "%s/vkey", dir);
    char *vkey = read_all(path, &n), *old;
    vkey[n - 1] = '\0';
    struct key *k = key_load(other.key, &e);
    assert_non_null(k);
    key_public(k, pub);
    assert_true(note_key_init(&name, "andon/test", pub, &e));
    buf_init(&note, 4096);
    buf_init(&pem, 4096);
    buf_printf(&pem, "%s\n", name.vkey);
    write_all(path, pem.data, pem.len);
    buf_clear(&pem);
    assert_true(key_public_pem(pub, &pem, &e));
    snprintf(path, sizeof path, "%s/log.pub", dir);
    write_all(path, pem.data, pem.len);
    snprintf(path, sizeof path, "%s/checkpoint", dir);
    old = read_all(path, &n);
    struct note_key mine;
    assert_true(note_key_parse(&mine, vkey, &e));
    struct verifier *v = verifier_new(mine.pub, &e);
    assert_true(note_open(old, n, &mine, v, &cp, &e));
    note_body(&cp, &note);
    assert_true(key_sign(k, note.data, note.len, sig, &e));
    note_sign(&name, sig, &note);
    write_all(path, note.data, note.len);
    desk_sign(&other, dir);
    desk_all(dir, NULL, DESK_TAMPERED, "another key for everything");
    desk_all(dir, vkey, DESK_TAMPERED, "another key for everything, the right one pinned");
    desk_all(dir, name.vkey, DESK_TAMPERED, "another key for everything, that one pinned");
    verifier_free(v);
    key_free(k);
    free(old);
    free(vkey);
    buf_release(&note);
    buf_release(&pem);
    box_release(&b);
    box_release(&other);
}

/* ---- chance ---- */

static void random_entry(struct entry *en, uint64_t *seed, char text[3][64])
{
    static const enum entry_kind kinds[] = {ENTRY_INTENT, ENTRY_OUTCOME, ENTRY_WATCH, ENTRY_ACK, ENTRY_NOTICE};
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t)(rnd(seed) % 60);
        for (size_t k = 0; k < n; k++) /* anything at all, "," and quotes more often; entry_canonical makes it safe */
            text[i][k] = (char)(rnd(seed) % 3 ? (int)(rnd(seed) % 255) + 1 : ",\"\\:seqt1{"[rnd(seed) % 11]);
        text[i][n] = '\0';
    }
    make_entry(en, kinds[rnd(seed) % 5], rnd(seed) % 20, rnd(seed) % 2 ? "ok" : "");
    en->reason = text[0];
    en->wave = text[1];
    en->rollout = rnd(seed) % 2 ? "4471" : "9";
    entry_str(en, "seq", text[2]);
    entry_int(en, "t", (int64_t)(rnd(seed) % 1000));
}

static void random_log(struct box *b, uint64_t *seed)
{
    char text[3][64], digest[65];
    struct entry en;
    struct err e = {0};
    b->spec.redactable = rnd(seed) % 3 ? (unsigned)(rnd(seed) % (REDACT_ALL + 1)) : 0;
    struct audit_log *l = box_open(b);
    for (int n = (int)(rnd(seed) % 40); n > 0; n--) {
        random_entry(&en, seed, text);
        if (rnd(seed) % 8 == 0) {
            assert_true(audit_put_blob(l, text, (size_t)(rnd(seed) % sizeof text), digest, &e));
            entry_str(&en, rnd(seed) % 2 ? "blob" : "some.blob", digest);
        }
        put(l, &en);
    }
    audit_close(l);
}

/* One of the folder's files, changed somewhere; *what says it. False: it is as it was. */
static bool random_change(const char *dir, uint64_t *seed, char *what, size_t size)
{
    static const char *const files[] = {"entries.jsonl", "checkpoint", "manifest", "vkey",     "log.pub",
                                        "report.csv",    "README",     "left-out", "openings", "openings"};
    const char *name = files[rnd(seed) % (sizeof files / sizeof *files)];
    char path[300];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (access(path, F_OK) != 0)
        return false;
    char *old = read_all(path, &n), *p = malloc(2 * n + 2);
    size_t at = n ? (size_t)(rnd(seed) % n) : 0, len = n ? 1 + (size_t)(rnd(seed) % (n - at)) : 0;
    int how = (int)(rnd(seed) % 6);
    memcpy(p, old, n);
    size_t m = n;
    switch (how) {
    case 0: /* a bit */
        p[at] = (char)(p[at] ^ (1 << rnd(seed) % 8));
        break;
    case 1: /* a piece goes */
        memmove(p + at, p + at + len, n - at - len);
        m = n - len;
        break;
    case 2: /* a piece comes twice */
        memmove(p + at + len, old + at, n - at);
        m = n + len;
        break;
    case 3: /* the end goes */
        m = at;
        break;
    case 4: /* a byte comes in */
        memmove(p + at + 1, old + at, n - at);
        p[at] = (char)rnd(seed);
        m = n + 1;
        break;
    default: /* another byte */
        p[at] = "\n 0aZ\r-+=/"[rnd(seed) % 10];
    }
    write_all(path, p, m);
    bool changed = m != n || memcmp(p, old, n) != 0;
    snprintf(what, size, "%s: change %d at %zu of %zu, %zu long", name, how, at, n, len);
    free(p);
    free(old);
    return changed;
}

/* Random logs and slices of them: all three say OK. Then a random change: all three say no, and where the manifest is
 * signed anew by somebody who has the key, the same whatever it is. ANDON_LOGS: how many, ANDON_SEED: from where on. */
static void all_three_agree(void **state)
{
    (void)state;
    const char *logs = getenv("ANDON_LOGS"), *first = getenv("ANDON_SEED");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1, n = logs ? strtoull(logs, NULL, 10) : 12;
    for (uint64_t i = from; i < from + n; i++) {
        uint64_t seed = i * 7919;
        struct box b;
        struct desk d;
        char dir[128], what[160];
        const struct audit_query queries[] = {
            {0}, {.rollout = "9"}, {.kind = "watch"}, {.from_seq = 1 + (int64_t)(i % 30)}};
        box_init(&b);
        random_log(&b, &seed);
        snprintf(dir, sizeof dir, "%s/out", b.dir);
        desk_export(&b,
                    &(struct audit_export_spec){.q = &queries[rnd(&seed) % 4], .redacted = (unsigned)(rnd(&seed) % 4)},
                    dir);
        snprintf(what, sizeof what, "log %llu", (unsigned long long)i);
        desk_all(dir, NULL, DESK_OK, what);
        bool anew = rnd(&seed) % 2;
        if (random_change(dir, &seed, what, sizeof what)) {
            if (anew)
                desk_sign(&b, dir);
            desk_ask(&d, dir, NULL);
            if (d.sh != d.andon || d.py != d.andon || (!anew && d.andon != DESK_TAMPERED))
                fail_msg("log %llu, %s%s: andon %d (%s), verify.sh %d, verify.py %d", (unsigned long long)i, what,
                         anew ? ", signed anew" : "", d.andon, d.why, d.sh, d.py);
        }
        box_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_without_the_key_is_found),
        cmocka_unit_test(what_the_key_cannot_make_good),
        cmocka_unit_test(a_slice_hides_nothing),
        cmocka_unit_test(a_manifest_has_one_form),
        cmocka_unit_test(an_opening_is_what_an_entry_commits_to),
        cmocka_unit_test(another_key_for_everything),
        cmocka_unit_test(all_three_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
