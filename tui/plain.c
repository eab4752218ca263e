/* See plain.h. An event is the difference between two snapshots. */
#include "tui/plain.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fmt.h"
#include "core/text.h"
#include "tui/changes.h"
#include "tui/out.h"
#include "tui/signals.h"

#define LINE_MAX_ 256

struct plain {
    const struct console_spec *spec;
    struct snapshot **snaps; /* as last told */
    struct out out;
    struct buf text; /* lines of this turn */
    char line[LINE_MAX_];
    size_t n_line;
    bool too_long, eof, leave;
    int status, sigfd;
};

static void say(struct plain *p, const char *what)
{
    char at[FMT_MAX];
    buf_printf(&p->text, "%s %s\n", fmt_hms(at, clock_now(p->spec->clock)), what);
}

static void help(struct plain *p)
{
    buf_adds(&p->text, "Type a line: status, halt ROLLOUT, halt all, ack ROLLOUT, help, quit. FLEET/ROLLOUT where two "
                       "fleets have it.\n"
                       "Everything else is a command of its own in another terminal: andon advance, rollback, ...\n");
}

/* Commands
 * ----------------------------------------------------------------------------------------------------------------- */

static void submit(struct plain *p, size_t i, enum verb verb, const char *rollout)
{
    struct intent in;
    memset(&in, 0, sizeof in);
    in.verb = verb;
    snprintf(in.fleet, sizeof in.fleet, "%s", p->snaps[i]->fleet);
    snprintf(in.rollout, sizeof in.rollout, "%s", rollout);
    in.actor = p->spec->actor;
    in.expect_devices = -1;
    in.decided_at = clock_now(p->spec->clock);
    const struct console_engine *en = &p->spec->engines[i];
    char text[200];
    snprintf(text, sizeof text, "%s: %s %.80s: %s", in.fleet, verb_word(verb), rollout[0] ? rollout : "every rollout",
             en->submit(en->ctx, &in) ? "on its way" : "not taken, the engine has ended");
    say(p, text);
}

static void verb_line(struct plain *p, enum verb verb, const char *word)
{
    char text[300];
    const char *id = word;
    size_t which = 0, n = p->spec->n_engines;
    bool all = strcmp(word, "all") == 0;
    if (word[0] == '\0' || strlen(word) >= ID_MAX + 64) {
        snprintf(text, sizeof text, "which rollout? `%s 4471`, or `%s all`", verb_word(verb), verb_word(verb));
        say(p, text);
        return;
    }
    for (size_t i = 0; all && i < n; i++)
        submit(p, i, verb, "");
    if (all)
        return;
    size_t fleets = snapshot_named(p->snaps, n, word, &which, &id);
    if (fleets > 1) {
        snprintf(text, sizeof text, "%zu fleets have a rollout %.80s: say FLEET/%.80s; nothing was done", fleets, id,
                 id);
        say(p, text);
    } else if (fleets == 1 || n == 1) {
        /* With one fleet the id is passed on as it is: a halt must not wait until the list has been read. */
        submit(p, fleets == 1 ? which : 0, verb, fleets == 1 ? id : word);
    } else {
        say(p, "no rollout of that id is known here; `halt all` halts every rollout of every fleet");
    }
}

static void command(struct plain *p, char *line)
{
    size_t word = strcspn(line, " ");
    char *rest = line + word + strspn(line + word, " ");
    line[word] = '\0';
    if (line[0] == '\0')
        return;
    if (strcmp(line, "quit") == 0 || strcmp(line, "q") == 0) {
        p->leave = true;
        p->status = CONSOLE_QUIT;
    } else if (strcmp(line, "status") == 0) {
        for (size_t i = 0; i < p->spec->n_engines; i++)
            changes_status(p->snaps[i], clock_now(p->spec->clock), &p->text);
    } else if (strcmp(line, "halt") == 0) {
        verb_line(p, VERB_HALT, rest);
    } else if (strcmp(line, "ack") == 0) {
        verb_line(p, VERB_ACK, rest);
    } else {
        help(p);
    }
}

static void read_lines(struct plain *p)
{
    char in[256];
    ssize_t n = read(STDIN_FILENO, in, sizeof in);
    if (n <= 0) {
        p->eof = !(n < 0 && errno == EINTR); /* goes on watching */
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (in[i] == '\n') {
            p->line[p->n_line] = '\0';
            if (p->too_long)
                help(p);
            else
                command(p, p->line);
            p->n_line = 0;
            p->too_long = false;
        } else if (p->n_line + 1 < sizeof p->line && in[i] >= 0x20 && in[i] < 0x7f) {
            p->line[p->n_line++] = in[i];
        } else {
            p->too_long = in[i] != '\r'; /* or not text of ours: never half a command */
        }
    }
}

/* Loop
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void fetch(struct plain *p)
{
    for (size_t i = 0; i < p->spec->n_engines; i++) {
        const struct console_engine *en = &p->spec->engines[i];
        struct pollfd news = {.fd = en->fd, .events = POLLIN};
        uint64_t n;
        if (p->snaps[i] && (poll(&news, 1, 0) != 1 || read(en->fd, &n, sizeof n) < 0))
            continue;
        struct snapshot *next = en->snapshot(en->ctx);
        changes_between(p->snaps[i], next, clock_now(p->spec->clock), &p->text);
        snapshot_unref(p->snaps[i]);
        p->snaps[i] = next;
        if (p->spec->over && p->spec->over(p->spec->over_ctx, next))
            p->leave = true;
    }
}

static void send(struct plain *p)
{
    if (p->text.over) {
        buf_clear(&p->text);
        say(p, "lines were lost: standard output did not take them");
    }
    if (p->text.len > 0 && out_left(&p->out) == 0) {
        out_write(&p->out, p->text.data, p->text.len);
        buf_clear(&p->text);
    }
    if (p->out.dead) {
        p->leave = true;
        p->status = CONSOLE_ERROR;
    }
}

static void turn(struct plain *p, struct pollfd *fds, size_t n)
{
    fds[0].fd = p->eof ? -1 : STDIN_FILENO;
    fds[2].events = out_left(&p->out) > 0 ? POLLOUT : 0;
    if (poll(fds, (nfds_t)n, -1) < 0)
        return;
    for (int sig = signals_next(p->sigfd); sig != 0; sig = signals_next(p->sigfd)) {
        if (sig == SIGTSTP) {
            signals_stop(false);
        } else if (sig != SIGWINCH && sig != SIGCONT) {
            p->leave = true;
            p->status = 128 + sig;
        }
    }
    if (fds[0].revents && !p->eof)
        read_lines(p);
    if (fds[2].revents)
        out_flush(&p->out);
    fetch(p);
    send(p);
}

int plain_run(const struct console_spec *spec, struct err *e)
{
    struct plain p;
    memset(&p, 0, sizeof p);
    p.spec = spec;
    p.sigfd = signals_open();
    if (p.sigfd < 0) {
        err_errno(e, ERR_IO, "", "cannot read signals from a descriptor");
        return CONSOLE_ERROR;
    }
    if (!out_init(&p.out, STDOUT_FILENO, e)) {
        close(p.sigfd);
        return CONSOLE_ERROR;
    }
    size_t n = 3 + spec->n_engines;
    struct pollfd *fds = xcalloc(n, sizeof *fds);
    fds[0].events = POLLIN;
    fds[1] = (struct pollfd){.fd = p.sigfd, .events = POLLIN};
    fds[2].fd = STDOUT_FILENO;
    for (size_t i = 0; i < spec->n_engines; i++)
        fds[3 + i] = (struct pollfd){.fd = spec->engines[i].fd, .events = POLLIN};
    p.snaps = xcalloc(spec->n_engines + 1, sizeof(struct snapshot *));
    buf_init(&p.text, 4u << 20);
    fetch(&p);
    for (int i = 0; spec->n_engines == 0 && i < 3; i++)
        buf_printf(&p.text, "%s\n", spec->start_help[i] ? spec->start_help[i] : "");
    send(&p);
    while (!p.leave)
        turn(&p, fds, n);
    for (size_t i = 0; i < spec->n_engines; i++)
        snapshot_unref(p.snaps[i]);
    free(p.snaps);
    free(fds);
    buf_release(&p.text);
    out_release(&p.out);
    close(p.sigfd);
    if (p.status == CONSOLE_ERROR)
        err_set(e, ERR_IO, "", "standard output is gone");
    return p.status;
}
