/* What a list of signers says by itself: whose keys count, and which line is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "audit/sshsig.h"

static void key(struct buf *out, const char *type, const char *inner, char c)
{
    char raw[100];
    size_t n = strlen(inner);
    memset(raw, c, sizeof raw);
    memset(raw, 0, 3);
    raw[3] = (char)n;
    memcpy(raw + 4, inner, n);
    buf_printf(out, "%s ", type);
    base64_encode(out, raw, 4 + n + 36);
}

/* %k: a key of its own; %x: one whose bytes are of another type. */
static bool look(const char *text, struct sshsig_list *out, struct err *e)
{
    struct buf b;
    char c = 'a';
    buf_init(&b, 1 << 16);
    for (; *text; text++) {
        if (strncmp(text, "%k", 2) == 0 || strncmp(text, "%x", 2) == 0) {
            key(&b, "ssh-ed25519", text[1] == 'k' ? "ssh-ed25519" : "ssh-rsa", c++);
            text++;
        } else {
            buf_addc(&b, *text);
        }
    }
    bool ok = sshsig_signers(&b, "andon-approval@v1", out, e);
    buf_release(&b);
    return ok;
}

static void people_are_counted_once_and_for_the_purpose(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t keys, people, nameless, elsewhere, authorities;
    } rows[] = {
        {"", 0, 0, 0, 0, 0},
        {"# nobody\n\n  \n", 0, 0, 0, 0, 0},
        {"alice@x %k\n", 1, 1, 0, 0, 0},
        {"alice@x %k", 1, 1, 0, 0, 0},
        {"alice@x %k a comment\r\n\tbob@x\t%k\n", 2, 2, 0, 0, 0},
        {"alice@x,al %k\nalice@x %k\nbob@x %k\n", 3, 2, 0, 0, 0},
        {"*@x %k\n*@x,carol %k\n", 2, 1, 1, 0, 0},
        {"alice namespaces=\"git,file\" %k\nbob namespaces=\"git,andon-approval@v1\" %k\n", 1, 1, 0, 1, 0},
        {"alice namespaces=\"andon-*\" %k\nbob namespaces=\"andon-approval@v1\",valid-before=\"20400101\" %k\n", 2, 2,
         0, 0, 0},
        {"*@x cert-authority %k\nbob %k\n", 1, 1, 0, 0, 1},
        {"\"alice,the lady\" %k\n", 1, 1, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sshsig_list l;
        struct err e = {0};
        if (!look(rows[i].text, &l, &e))
            fail_msg("%s: %s", rows[i].text, e.what);
        if (l.keys != rows[i].keys || l.people != rows[i].people || l.nameless != rows[i].nameless ||
            l.elsewhere != rows[i].elsewhere || l.authorities != rows[i].authorities)
            fail_msg("%s: %zu keys, %zu people, %zu %zu %zu", rows[i].text, l.keys, l.people, l.nameless, l.elsewhere,
                     l.authorities);
    }
}

static void a_line_that_holds_no_key_is_named(void **state)
{
    (void)state;
    static const char *const rows[] = {"alice@x %k\nbob\n",        "\nbob ssh-ed25519\n",
                                       "\nbob ssh-ed25519 AAAA\n", "\nbob %x\n",
                                       "\nbob ssh-dss AAAAB3\n",   "\nbob namespaces=\"git %k\n",
                                       "\nssh-ed25519 AAAAC3\n",   "\nbob ssh-ed25519 ====\n"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sshsig_list l;
        struct err e = {0};
        assert_false(look(rows[i], &l, &e));
        assert_int_equal(e.code, ERR_SYNTAX);
        if (!strstr(e.what, "line 2 holds no key"))
            fail_msg("%s: %s", rows[i], e.what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(people_are_counted_once_and_for_the_purpose),
                                       cmocka_unit_test(a_line_that_holds_no_key_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
