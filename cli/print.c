/* What commands print: errors, tables, JSON. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "core/fmt.h"
#include "core/text.h"

#define OUT_MAX ((size_t)256 << 20)

int err_exit(const struct err *e)
{
    switch (e->code) {
    case ERR_REFUSED:
    case ERR_STATE:
    case ERR_CONFLICT:
    case ERR_UNSUPPORTED:
        return EXIT_REFUSED;
    case ERR_AUTH:
    case ERR_FORBIDDEN:
    case ERR_THROTTLED:
    case ERR_TIMEOUT:
    case ERR_NETWORK:
    case ERR_TLS:
    case ERR_PROTOCOL:
        return EXIT_UNREACHABLE;
    case ERR_SYNTAX:
    case ERR_RANGE:
        return EXIT_USAGE;
    case ERR_NONE:
    case ERR_IO:
    case ERR_LIMIT:
    case ERR_NOT_FOUND:
    case ERR_QUOTA:
    case ERR_TAMPERED:
    case ERR_CANCELLED:
    case ERR_INTERNAL:
        break;
    }
    return EXIT_FAILED;
}

int trail_exit(int rc, enum trail t, const char **text)
{
    static const char *const words[] = {
        [TRAIL_NONE] = NULL,
        [TRAIL_LOG] = NULL,
        [TRAIL_SPOOL] =
            "the log could not take it; it is in the spool, and comes into the log when that is next opened",
        [TRAIL_SYSLOG] = "neither the log nor the spool could take it; only the system log has a line about it",
        [TRAIL_NOWHERE] =
            "neither the log, nor the spool, nor the system log could take it: write down that it was done",
    };
    *text = words[t];
    return rc == EXIT_OK && (t == TRAIL_SYSLOG || t == TRAIL_NOWHERE) ? EXIT_TRACELESS : rc;
}

int print_err(const struct args *a, const struct err *e)
{
    struct buf safe;

    /* A command line or a file's name may hold anything; nothing unsafe reaches the terminal. */
    buf_init(&safe, 4096);
    safe_text_append(&safe, e->what, strlen(e->what));
    if (*e->cause) {
        buf_adds(&safe, ": ");
        safe_text_append(&safe, e->cause, strlen(e->cause));
    }
    fprintf(stderr, "andon: %s\n", safe.data);
    buf_clear(&safe);
    if (*e->next) {
        safe_text_append(&safe, e->next, strlen(e->next));
        fprintf(stderr, "       %s\n", safe.data);
    }
    buf_release(&safe);
    if (a && a->json) {
        struct json_out o;
        struct buf t;

        json_begin(&o);
        json_w_key(&o.w, "error");
        json_w_obj(&o.w);
        json_w_kstr(&o.w, "code", err_word(e->code));
        buf_init(&t, 4096);
        safe_text_append(&t, e->what, strlen(e->what));
        json_w_kstr(&o.w, "what", t.data);
        buf_clear(&t);
        safe_text_append(&t, e->cause, strlen(e->cause));
        json_w_kstr(&o.w, "cause", t.data);
        buf_clear(&t);
        safe_text_append(&t, e->next, strlen(e->next));
        json_w_kstr(&o.w, "next", t.data);
        buf_release(&t);
        json_w_obj_end(&o.w);
        json_end(&o);
    }
    return err_exit(e);
}

void print_out(const struct buf *b)
{
    fwrite(b->data, 1, b->len, stdout);
    fflush(stdout); /* what fails here is told by print_end */
}

/* The reader has gone away: a pipe or a socket without anybody at its other end. */
static bool reader_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

int print_end(int rc)
{
    bool gone = reader_gone();
    bool bad = ferror(stdout) != 0;
    struct err e = {0};

    errno = 0;
    bad = fflush(stdout) != 0 || bad;
    bad = (fclose(stdout) != 0 && errno != EBADF) || bad;
    if (!bad || gone)
        return rc;
    err_set(&e, ERR_IO, rc == EXIT_OK ? "What was asked for is done; only its output is lost or cut short." : "",
            "standard output cannot be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    print_err(NULL, &e);
    return rc == EXIT_OK ? EXIT_OUTPUT : rc;
}

void table_init(struct table *t, size_t cols, uint32_t right)
{
    *t = (struct table){.cols = cols, .right = right};
}

void table_add(struct table *t, const char *text)
{
    t->cells = xreallocarray(t->cells, t->n + 1, sizeof *t->cells);
    t->cells[t->n++] = xstrdup(text ? text : "");
}

void table_addf(struct table *t, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_add(t, text);
}

static void pad(struct buf *out, int n)
{
    while (n-- > 0)
        buf_addc(out, ' ');
}

void table_print(struct table *t, struct buf *out)
{
    int width[32] = {0};

    for (size_t i = 0; i < t->n; i++) {
        int w = text_width(t->cells[i]);

        if (w > width[i % t->cols])
            width[i % t->cols] = w;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->cols;
        int gap = width[c] - text_width(t->cells[i]);
        bool last = c + 1 == t->cols, right = t->right >> c & 1;

        if (c > 0)
            buf_adds(out, "  ");
        if (right)
            pad(out, gap);
        buf_adds(out, t->cells[i]);
        if (!right && !last)
            pad(out, gap);
        if (last)
            buf_addc(out, '\n');
        free(t->cells[i]);
    }
    free(t->cells);
    *t = (struct table){0};
}

void json_begin(struct json_out *o)
{
    buf_init(&o->buf, OUT_MAX);
    json_w_init(&o->w, &o->buf, 2);
    json_w_obj(&o->w);
}

void json_end(struct json_out *o)
{
    json_w_obj_end(&o->w);
    buf_addc(&o->buf, '\n');
    print_out(&o->buf);
    buf_release(&o->buf);
}

static void lines_text(FILE *to, const char *title, const char *advice, const struct preview_line *l, size_t n)
{
    char c[FMT_MAX];
    const char *shown = NULL;

    for (size_t i = 0; i < n; i++) {
        const char *under = preview_advice(&l[i]) ? advice : title;
        if (under != shown)
            fprintf(to, "  %s\n", shown = under);
        fprintf(to, "    %9s  %s\n", l[i].devices >= 0 ? fmt_count(c, l[i].devices) : "", l[i].text);
    }
}

void print_preview(FILE *to, const struct preview *p)
{
    lines_text(to, "will happen", "will happen", p->will, p->n_will);
    lines_text(to, "will not happen", "to be known", p->wont, p->n_wont);
}
