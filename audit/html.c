#include "audit/html.h"

#include <string.h>
#include "core/text.h"

void html_text(struct buf *out, const char *text)
{
    struct buf safe;
    buf_init(&safe, out->limit);
    safe_text_append(&safe, text, strlen(text));
    for (const char *p = safe.data; *p; p++) {
        if (*p == '<')
            buf_adds(out, "&lt;");
        else if (*p == '>')
            buf_adds(out, "&gt;");
        else if (*p == '&')
            buf_adds(out, "&amp;");
        else if (*p == '"')
            buf_adds(out, "&quot;");
        else if (*p == '\'')
            buf_adds(out, "&#39;");
        else
            buf_addc(out, *p);
    }
    buf_release(&safe);
}

void html_element(struct buf *out, const char *tag, const char *cls, const char *text)
{
    buf_printf(out, "<%s", tag);
    if (*cls)
        buf_printf(out, " class=\"%s\"", cls);
    buf_addc(out, '>');
    html_text(out, text);
    buf_printf(out, "</%s>", tag);
}

void html_begin(struct buf *out, const char *title)
{
    buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                  "'unsafe-inline'\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n");
    html_element(out, "title", "", title);
    buf_adds(out, "\n<style>\n"
                  "body{font:15px/1.45 sans-serif;max-width:75em;margin:1.5em auto;padding:0 1em;color:#111}\n"
                  "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #888}\n"
                  "h3{font-size:1em;margin-bottom:.3em}\n"
                  "table{border-collapse:collapse;width:100%}\n"
                  "th,td{text-align:left;vertical-align:top;padding:.3em .5em;border-bottom:1px solid #ccc;"
                  "overflow-wrap:anywhere}\n"
                  "td.n{white-space:nowrap}\n"
                  ".hash{font:11px monospace;color:#444;overflow-wrap:anywhere}\n"
                  ".gap{border-left:4px solid #b00;padding-left:.6em}\n"
                  "td.gap{font-weight:bold}\n"
                  ".note{color:#444}\n"
                  "dt{font-weight:bold}dd{margin:0 0 .4em 1.5em}\n"
                  "@media print{body{max-width:none;margin:0;font-size:10pt}tr,dd{break-inside:avoid}"
                  "thead{display:table-header-group}h2{break-after:avoid}}\n"
                  "</style></head><body>\n");
    html_element(out, "h1", "", title);
    buf_addc(out, '\n');
}

void html_end(struct buf *out)
{
    buf_adds(out, "</body></html>\n");
}
