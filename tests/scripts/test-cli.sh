#!/bin/sh
# The program as scripts see it: messages, exit codes, JSON, the log; on the drill's server in real time and headless.
set -u
andon=${ANDON:-$(dirname "$0")/../../build/asan/andon}
case $andon in /*) ;; *) andon=$PWD/$andon ;; esac
work=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
mkdir -m 700 "$work/home" "$work/tmp"
HOME=$work/home TMPDIR=$work/tmp LC_ALL=C.UTF-8
export HOME TMPDIR LC_ALL
unset XDG_CONFIG_HOME XDG_STATE_HOME NOTIFY_SOCKET
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "not ok: $*"; sed 's/^/    | /' "$work/out" "$work/err" | head -n 20; }

# run CODE WORDS...: runs andon, expects the exit code; leaves out and err.
run() {
    want=$1; shift
    "$andon" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ $got -eq "$want" ]; then ok; else bad "andon $* ended with $got, not $want"; fi
}
# says WORDS / tells WORDS: standard output / standard error holds them.
says() { if grep -qF -- "$1" "$work/out"; then ok; else bad "output without \"$1\""; fi; }
tells() { if grep -qF -- "$1" "$work/err"; then ok; else bad "message without \"$1\""; fi; }
# holds EXPRESSION: true of the JSON on standard output (named d).
holds() {
    if python3 -c "import json,sys; d=json.load(open(sys.argv[1])); sys.exit(not ($1))" "$work/out" 2>>"$work/err"; then
        ok
    else
        bad "JSON: not $1"
    fi
}

# full CODE WORDS...: the same, with a standard output that takes nothing.
full() {
    want=$1; shift
    : >"$work/out"
    "$andon" "$@" >/dev/full 2>"$work/err" </dev/null
    got=$?
    if [ $got -eq "$want" ] && { [ "$want" -eq 1 ] || grep -q "standard output cannot be written" "$work/err"; }; then
        ok
    else
        bad "andon $* to a full output ended with $got, not $want"
    fi
}
full 7 help; full 7 help policy; full 7 help exit; full 7 version; full 7 version -o json; full 7 --version; full 7 drill --list
full 7 drill --list -o json; full 7 --help; full 7 get --help

# --- without a configuration
run 2
tells "no fleet is configured"; tells "andon drill"; tells "config.yaml"; tells "andon doctor"
if [ "$(wc -l <"$work/err")" -eq 4 ]; then ok; else bad "not one line and three"; fi
for c in "get rollouts" "pause 1" "doctor" "guard"; do
    # shellcheck disable=SC2086 # words
    run 2 $c
    tells "there is no configuration"
done
run 2 get rollouts -o json
holds 'd["error"]["code"] == "not-found" and "drill" in d["error"]["next"]'
if [ -z "$(ls -A "$HOME")" ]; then ok; else bad "something was written: $(ls -A "$HOME")"; fi

# --- the command line
run 2 drlil; tells "Did you mean \`andon drill\`?"
run 2 get rollouts --fleeet x; tells "Did you mean --fleet?"
run 2 "$(printf 'x\033]0;owned\007')"
if LC_ALL=C grep -q "$(printf '\033')" "$work/err"; then bad "a control byte came through"; else ok; fi
run 2 pause; tells "andon pause ROLLOUT"
run 2 halt; tells "--all"
run 2 halt 1 --all; tells "exclude each other"
run 2 pause 1 --confirm x; tells "takes no option --confirm"
run 2 get fish; run 2 get waves; run 2 audit frob; run 2 drill nosuch; run 2 drill --seed x; run 2 drill --speed 0
run 2 --config "$work/none.yaml" get fleets
run 0 help; says "rollback"; run 0 help rollback; says "--confirm"; run 0 help exit; says "refuses"
run 0 help config; says "fleets:"; run 0 help policy; says "limits:"; run 2 help nothing
run 0 --version; says "andon "; run 0 -o json version; holds 'd["version"]'
run 0 drill --list; says "crash-loop"; says "healthy"
run 0 drill --list -o json; holds 'len(d["scenarios"]) >= 7 and all(s["description"] for s in d["scenarios"])'

# --- files
run 1 policy check "$work/none.yaml"
printf 'limits:\n  - id: R\n    metric: rebots\n    above: 3\n    on_breach: pause\n' >"$work/p.yaml"
run 2 policy check "$work/p.yaml"; tells "p.yaml:3"
printf 'limits:\n  - id: R-X\n    metric: reboots\n    relative_to: control\n    above: 3\n    for: 2m\n    on_breach: pause\n' >"$work/p.yaml"
run 0 policy check "$work/p.yaml"; says "R-X"; says "2m00s"
says "looks for a rise only"
run 0 policy check "$work/p.yaml" -o json; holds 'd["valid"] and d["limits"][0]["for_s"] == 120 and len(d["sha256"]) == 64'
run 5 audit verify; tells "there is no audit log"
run 5 audit show; run 5 audit head
printf 'not a log' >"$work/not.db"; chmod 600 "$work/not.db"
run 5 audit verify "$work/not.db"

# --- a drill without a screen: halts, rolls back, its log verifies and exports
run 0 drill install-failures --headless --seed 2 -o json --keep-log "$work/kept"
holds 'd["passed"] and d["halted_by"] == "install" and d["rolled_back_s"] > d["halted_s"] >= d["detected_s"]'
holds 'd["audit"]["verified"] and d["devices"]["on_new"] == 0 and d["scenario"] == "install-failures" and d["seed"] == 2'
if [ -z "$(ls -A "$TMPDIR")" ]; then ok; else bad "left in TMPDIR: $(ls -A "$TMPDIR")"; fi
run 2 drill healthy --headless --keep-log "$work/kept"; tells "holds the log of another drill"
run 0 audit verify --db "$work/kept/audit.db"; says "unwitnessed"
# a host's own key is its own log's: of another log the one beside it is
own="$HOME/.config/andon/audit.key"; mkdir -p "$HOME/.config/andon"
cp "$own" "$work/own.key" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$own" 2>/dev/null && chmod 600 "$own"
run 0 audit verify --db "$work/kept/audit.db"; says "unwitnessed"
cp "$work/kept/audit.key" "$work/kept.key"; cp "$own" "$work/kept/audit.key"
run 5 audit verify --db "$work/kept/audit.db"; says "ANOTHER LOG"
cp "$work/kept.key" "$work/kept/audit.key"; rm -f "$own"
[ ! -e "$work/own.key" ] || mv "$work/own.key" "$own"
run 0 audit head --db "$work/kept/audit.db" -o json; holds 'd["size"] > 5 and len(d["root"]) == 64 and d["vkey"].startswith("andon/drill+")'
run 0 audit show --db "$work/kept/audit.db" --kind halt -o json
holds 'len(d["entries"]) == 1 and d["entries"][0]["actor"] == "install"'
run 0 audit show --db "$work/kept/audit.db" --limit 2; says "ENTRY"
run 2 audit show --db "$work/kept/audit.db" --since yesterday; tells "is no time"
run 0 audit export "$work/export" --db "$work/kept/audit.db"; says "Tell whoever gets it"
says "$(sed -n 's/^root //p' "$work/export/manifest")"
if grep -q "^  root *$(sed -n 's/^root //p' "$work/export/manifest")$" "$work/export/README"; then ok; else bad "README has no root"; fi
if python3 "$work/export/verify.py" "$(cat "$work/export/vkey")" "$work/export" "$(sed -n 's/^root //p' "$work/export/manifest")" >"$work/out" 2>&1; then ok; else bad "verify.py"; fi
python3 "$work/export/verify.py" '' "$work/export" 00 >"$work/out" 2>&1; if [ $? = 1 ] && grep -q "not the one that you expect" "$work/out"; then ok; else bad "verify.py ROOT"; fi
sh "$work/export/verify.sh" '' "$work/export" 00 >"$work/out" 2>&1; if [ $? = 1 ] && grep -q "not the one that you expect" "$work/out"; then ok; else bad "verify.sh ROOT"; fi
# the steps by hand, as README has them
if (cd "$work/export" && sed -n '/^BY HAND/,/^COMMITTED/p' README | grep -v '^BY HAND\|^COMMITTED\|^ANSWERS\|^  *[0-9]\. \|^     (' |
    sed "s|'VKEY'|'$(cat vkey)'|g; s|ROOT|$(sed -n 's/^root //p' manifest)|g; s|/tmp/|$work/|g; s|^       ||" >"$work/steps" &&
    sh "$work/steps" 2>&1 | grep -v "^Signature Verified" >"$work/out"; [ "$(sort -u "$work/out")" = SAME ] && [ "$(wc -l <"$work/out")" = 7 ]); then ok; else bad "README by hand: $(cat "$work/out")"; fi
run 0 audit export "$work/slice" --db "$work/kept/audit.db" --kind halt; says "the others as hashes"
run 0 audit verify "$work/slice"; says "nothing is said about the others"
run 0 audit export "$work/more" --db "$work/kept/audit.db" --incremental "$work/slice"; says "1 of "
run 0 audit verify "$work/more"
# what was done with this host's own log stands in it; in another's it does not
h="$work/h"; mkdir -p "$h/.local/state/andon" "$h/.config/andon"; chmod 700 "$h/.local/state/andon" "$h/.config/andon"
cp "$work/kept/audit.db" "$h/.local/state/andon/"; cp "$work/kept/audit.key" "$h/.config/andon/"; chmod 400 "$h/.config/andon/audit.key"
mine() { HOME="$h" "$andon" audit "$@"; }
n=$(mine head -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["size"])')
if mine verify >"$work/out" && mine export "$h/out" >"$work/out" && mine verify "$h/out" >"$work/out"; then ok; else bad "its own log: $(cat "$work/out")"; fi
mine show --limit 2 -o json >"$work/out"
holds '[e["kind"] for e in d["entries"]] == ["verify", "export"] and d["entries"][1]["fields"]["size"] == str(d["entries"][0]["seq"])'
holds 'd["entries"][1]["fields"]["manifest.sha256"] == "'"$(sha256sum <"$h/out/manifest" | cut -c1-64)"'" and d["entries"][1]["seq"] > '"$n"
run 0 audit head --db "$work/kept/audit.db" -o json; holds 'd["size"] == '"$n"
# one entry, for somebody who is not to see the rest
run 0 audit prove 3 "$work/3.tlog-proof" --db "$work/kept/audit.db"; says "entry 3 is one of the first"
run 5 audit prove 3 "$work/3.tlog-proof" --db "$work/kept/audit.db"; tells "cannot be written"
run 5 audit prove 3000 --db "$work/kept/audit.db"; tells "there is no entry 3000"
run 2 audit prove x --db "$work/kept/audit.db"; tells "no entry's number"
run 0 audit verify "$work/3.tlog-proof" --vkey "$(cat "$work/export/vkey")"; says '"seq":3,'; says "OK ("
sed 's/^index 2/index 3/' "$work/3.tlog-proof" >"$work/4.tlog-proof"
run 1 audit verify "$work/4.tlog-proof" --vkey "$(cat "$work/export/vkey")"; says "TAMPERED"
run 2 audit export "$work/none" --db "$work/kept/audit.db" --limit 3
if (cd "$work/export" && sh verify.sh >"$work/out" 2>&1); then ok; else bad "verify.sh"; fi
# taken from elsewhere, as its reader should, and told the folder; elsewhere there is nothing to accuse
cp "$work/export/verify.sh" "$work/verify.sh"
if sh "$work/verify.sh" "$(cat "$work/export/vkey")" "$work/export" >"$work/out" 2>&1; then ok; else bad "verify.sh VKEY FOLDER"; fi
sh "$work/verify.sh" >"$work/out" 2>"$work/err"; if [ $? = 2 ] && grep -q "no export in" "$work/err"; then ok; else bad "verify.sh nowhere"; fi
run 0 audit verify "$work/export"
sed -i '0,/"kind":"outcome"/s//"kind":"outcomE"/' "$work/export/entries.jsonl"
if grep -q outcomE "$work/export/entries.jsonl"; then ok; else bad "nothing to tamper with"; fi
run 1 audit verify "$work/export"
python3 - "$work/kept/audit.db" <<'P'
import sys
p = sys.argv[1]; b = bytearray(open(p, "rb").read()); i = b.find(b"devices failed to install"); b[i] ^= 1; open(p, "wb").write(b)
P
rm -f "$work/kept/audit.db-wal" "$work/kept/audit.db-shm"
run 1 audit verify --db "$work/kept/audit.db"

# --- on a server, in real time
mkfifo "$work/hello"
"$andon" drill crash-loop --serve --seed 3 >"$work/hello" 2>"$work/serve.err" </dev/null &
server=$!
IFS= read -r hello <"$work/hello"
field() { printf '%s' "$hello" | python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }
mkdir -p "$HOME/.config/andon" && chmod 700 "$HOME/.config/andon"
(umask 077; field password >"$work/secret"
printf 'fleets:\n  - name: home\n    kind: hawkbit\n    url: %s\n    user: %s\n    secret: {file: %s}\n    environment: test\n    telemetry: {kind: openmetrics, url: %s}\n' \
    "$(field url)" "$(field user)" "$work/secret" "$(field metrics)" >"$HOME/.config/andon/config.yaml")
run 0 doctor
if grep -q "^FAIL" "$work/out"; then bad "doctor found something"; else ok; fi
says "hawkbit"; says "telemetry"; says "clocks agree"
run 0 doctor -o json; holds 'd["failed"] == 0 and any(c["subject"] == "home" for c in d["checks"])'
run 0 get fleets -o json; holds '"stop" in d["fleets"][0]["capabilities"] and d["fleets"][0]["state"] == "live"'
run 0 get rollouts -o json; holds 'any(r["id"] == "4471" and not r["halted"] and r["devices"] == 2000 for r in d["rollouts"])'
run 0 get rollouts 4471; says "4471"
run 0 get waves 4471 -o json; holds 'len(d["waves"]) > 1 and d["waves"][0]["told"] > 0 and d["waves"][1]["told"] == 0'
run 0 get devices 4471 --wave 0 -o json; holds 'len(d["devices"]) == 20 and all(x["id"] for x in d["devices"])'
run 0 get health 4471 -o json; holds 'd["health"][0]["wave"] == 0 and len(d["health"][0]["metrics"]) == 5'
run 1 get waves 99; tells "no rollout 99"
run 2 --fleet hime get rollouts; tells "Did you mean home?"
run 2 pause 4471; tells "--yes"
run 0 pause 4471 --preview; says "will happen"
run 0 pause 4471 --yes -o json; holds 'd["result"] == "done" and d["state"] == "paused" and d["log_entry"] > 0'
run 3 pause 4471 --yes; tells "paused"
run 0 resume 4471 --yes
run 3 --read-only pause 4471 --yes; tells "read-only"
run 0 --read-only halt 4471 --reason "smoke"
run 0 get rollouts -o json; holds 'any(r["id"] == "4471" and r["halted"] for r in d["rollouts"])'
run 3 resume 4471 --yes; tells "acknowledge"
run 0 rollback 4471 --preview -o json; holds 'd["phrase"].startswith("home/4471 ALL ") and d["allowed"] and d["devices"] > 0'
says "Roll back home/4471 (test)"
holds 'd["to_state"] == "found" and d["to"].startswith("hearth:")'
phrase=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["phrase"])' "$work/out")
run 0 rollback 4471 --to hearth:9.9.9 --preview; says "refused now: there is no release hearth:9.9.9 on this server"
run 0 rollback 4471 --to hearth:9.9.9 --preview -o json; holds 'd["to_state"] == "missing" and not d["allowed"] and not d["will"]'
run 3 rollback 4471 --to hearth:9.9.9 --reason x --confirm "$phrase"; tells "there is no release hearth:9.9.9"
run 3 rollback 4471 --to hearth:9.9.9 --reason x --confirm "$phrase" --yes --wait; tells "there is no release hearth:9.9.9 on this server: nothing was done"
run 3 rollback 4471 --to hearth --reason x --confirm "$phrase"; tells "name:version"
run 3 rollback 4471 --reason x --confirm "home/4471 ALL 1"; tells "phrase"
run 3 rollback 4471 --reason x --confirm "4471 ALL 1"; tells "phrase"
run 3 rollback 4471 --reason x --confirm "other/4471 ALL 20"; tells "phrase"
run 2 rollback 4471 --reason x; tells "--confirm"
run 2 rollback 4471 --waves 1-x
run 2 ack home/4471 --fleet hime --yes; tells "name two fleets"
run 0 ack home/4471 --yes; says "ack home/4471:"
run 0 get rollouts -o json; holds 'not any(r["halted"] for r in d["rollouts"])'
run 3 advance 99 --yes
run 0 audit verify
run 0 audit show -o json
holds '[e["verb"] for e in d["entries"] if e["kind"] == "halt"] == ["halt"] and any(e["kind"] == "refused" for e in d["entries"])'
run 0 audit show --kind refused; says "refused"

# --- an inventory of rows alone, at a given time
printf '%s\n' device,model,release,owner,class,exposure,end_of_life,last_report \
    g1,gate,gate:2.8.4,net-ops,safety-critical,internet,2034-06-30,2031-03-14T11:50:00Z \
    g2,Gate,gate:2.8.4,,safety-critical,,2031-03-01,2031-03-14T11:50:00Z \
    v1,valve,valve:1.0,ward,,site,,2031-03-01T00:00:00Z >"$work/rows.csv"
run 0 inventory --csv "$work/rows.csv" --now 2031-03-14T12:00:00Z
says "BLIND SPOT: 2 of 3 devices (66.7%) report version and state in time"; says "empty: owner 1   class 1   exposure 1   end_of_life 1"
says "past end of life: 1 devices: g2"; says "no source: maker, os,"
run 0 inventory --csv "$work/rows.csv" --now 2031-03-14T12:00:00Z -o json
holds 'd["inventory"][0]["share"] == 2 / 3 and d["inventory"][0]["reporting"]["signature"] is None and len(d["inventory"][0]["models"]) == 2'
run 0 inventory --csv "$work/rows.csv" --now 2031-03-14T12:00:00Z --blind -o csv; says '"","valve","v1"'
run 0 inventory --csv "$work/rows.csv" --model GATE; says "gate:2.8.4 2"
run 1 inventory --csv "$work/rows.csv" --model pump; tells "there is no model"
run 2 inventory --csv "$work/rows.csv" --now noon; tells "--now"
run 2 get fleets -o csv; tells "expected text or json"
echo "v1,valve,,,,,," >>"$work/rows.csv"; run 2 inventory --csv "$work/rows.csv"; tells "rows.csv:5: the device v1 has a row in line 4 too"
run 1 inventory --csv "$work/none.csv"

# --- the inventory of a server: counted by filters, never listed
printf '%s\n' 'model: {attribute: model}' 'devices: rows.csv' 'rules:' '- match: {model: hearth-a}' '  class: safety-critical' \
    '- exposure: {attribute: site, internet: [cork], site: [graz]}' '  location: {attribute: site}' \
    '  signature: {attribute: fw_signed, valid: [ok]}' >"$HOME/.config/andon/inventory.yaml"
printf 'device,owner,model\nno-such-device,x,\n' >"$HOME/.config/andon/rows.csv"
run 0 inventory -o json; holds 'sum(m["devices"] for m in d["inventory"][0]["models"]) == d["inventory"][0]["devices"] > 0 and [m["model"] for m in d["inventory"][0]["models"]] == ["hearth"]'
holds 'd["inventory"][0]["reporting"]["version"] == d["inventory"][0]["devices"] and d["inventory"][0]["share"] == 1'
sed -i.was 's|^    url:.*|&\n    inventory: inventory.yaml|' "$HOME/.config/andon/config.yaml"
chmod 600 "$HOME/.config/andon/config.yaml" "$HOME/.config/andon/inventory.yaml" "$HOME/.config/andon/rows.csv"
run 0 get devices 4471 --wave 0 -o json; device=$(python3 -c "import json,sys; print(json.load(open(sys.argv[1]))['devices'][0]['id'])" "$work/out")
echo "$device,ward,Pump" >>"$HOME/.config/andon/rows.csv"
run 0 inventory --trace "$work/trace" -o json
holds 'sorted(m["model"] for m in d["inventory"][0]["models"]) == ["hearth-a", "hearth-b", "hearth-c"]'
holds 'all(c["class"] == ("safety-critical" if c["model"] == "hearth-a" else None) for c in d["inventory"][0]["cells"])'
holds 'sum(m["exposure"]["internet"] + m["exposure"]["site"] + m["exposure"]["unknown"] for m in d["inventory"][0]["models"]) == d["inventory"][0]["devices"]'
holds '0 < sum(m["exposure"]["internet"] for m in d["inventory"][0]["models"]) < d["inventory"][0]["devices"]'
holds 'all(m["fields"]["location"]["known"] == m["devices"] for m in d["inventory"][0]["models"])'
holds 'd["inventory"][0]["share"] == 0 and d["inventory"][0]["reporting"]["signature"] == 0 and d["inventory"][0]["empty"]["signature"] == d["inventory"][0]["devices"]'
holds 'sum(v["devices"] for m in d["inventory"][0]["models"] for v in m["fields"]["owner"]["values"]) == 1'
holds '[(c["field"], c["overlay"], c["devices"]) for c in d["inventory"][0]["conflicts"]] == [("model", "Pump", 1)]'
if grep '/rest/v1/targets?.*attribute' "$work/trace" | grep '"event":"sent"' | grep -qv '[?&]limit=1[&"]'; then bad "devices were listed"; else ok; fi
run 0 inventory --model HEARTH-B --blind; says "found by no filter"; says "attribute site"
mv "$HOME/.config/andon/config.yaml.was" "$HOME/.config/andon/config.yaml"

# --- an output that takes nothing: said, and never 0; what was asked for is done all the same
printf 'bake: 6h\n' >"$work/policy.yaml"
full 7 drill healthy --headless; full 7 drill crash-loop --serve
full 7 get fleets; full 7 get rollouts -o json; full 7 get waves 4471; full 7 get devices 4471 --wave 0 -o json
full 7 get health 4471; full 7 explain 4471; full 7 explain 4471 -o json; full 7 doctor; full 7 doctor -o json
full 7 pause 4471 --preview; full 7 rollback 4471 --preview -o json; full 7 audit show; full 7 audit show -o json
full 7 audit verify; full 7 audit head; full 7 audit head -o json; full 7 policy check "$work/policy.yaml"
full 7 policy check "$work/policy.yaml" -o json; full 7 notify status; full 7 notify status -o json
full 7 halt 4471; run 0 get rollouts -o json; holds 'any(r["id"] == "4471" and r["halted"] and r["latched"] for r in d["rollouts"])'
full 7 ack 4471 --yes -o json; run 0 get rollouts -o json; holds 'not any(r["latched"] for r in d["rollouts"])'
full 3 advance 99 --yes -o json # a refusal stays one
full 1 --plain
# A reader that has seen enough is no error, and a closed descriptor never becomes the log's.
for c in "help" "get devices 4471 --wave 0" "audit show -o json"; do
    # shellcheck disable=SC2086 # words
    { "$andon" $c 2>"$work/err"; echo $? >"$work/rc"; } </dev/null | head -c 1 >/dev/null
    if [ "$(cat "$work/rc")" = 0 ] && [ ! -s "$work/err" ]; then ok; else bad "andon $c | head: $(cat "$work/rc")"; fi
done
"$andon" get rollouts >&- 2>"$work/err" </dev/null
if [ $? -eq 7 ]; then ok; else bad "a closed output passes for a good one"; fi
run 0 audit verify

# --- two fleets that both have a rollout 4471
python3 - "$HOME/.config/andon/config.yaml" <<'P'
import sys
p = sys.argv[1]; t = open(p).read(); i = t.index("  - name: home"); open(p, "a").write(t[i:].replace("name: home", "name: away"))
P
run 2 pause 4471 --yes; tells "there are 2 fleets"
run 0 pause away/4471 --preview -o json; holds 'd["fleet"] == "away" and d["rollout"] == "4471" and "away/4471" in d["title"]'
run 0 rollback home/4471 --preview -o json; holds 'd["phrase"].startswith("home/4471 ALL ")'
phrase=$(python3 -c "import json,sys; print(json.load(open(sys.argv[1]))['phrase'])" "$work/out")
run 3 rollback away/4471 --reason x --confirm "$phrase"; tells "phrase"
run 3 rollback home/4471 --reason x --confirm "${phrase#home/}"; tells "phrase"
kill "$server"; wait "$server"
if [ $? -eq 0 ]; then ok; else bad "the server did not end well"; fi
server=
run 4 get rollouts; tells "home"
run 4 doctor
run 4 pause home/4471 --yes --timeout 5s
if grep -qF "$(cat "$work/secret")" "$work/serve.err" "$work/out" "$work/err" "$HOME/.local/state/andon/audit.db"; then
    bad "the password was written somewhere"
else
    ok
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
