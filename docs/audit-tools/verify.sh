#!/bin/sh
# verify.sh [VKEY [FOLDER [ROOT [CAFILE]]]]: verifies an exported folder of an andon audit log (FOLDER, $ANDON_EXPORT, or
#                                   the folder of this script); with CAFILE, a PEM file, its time stamps too
# verify.sh VKEY FILE.tlog-proof [ROOT [WITNESS...]]: verifies the proof that one entry is in the log, and prints it;
#                                   each WITNESS is the verifier key of a witness that must have signed the checkpoint
#
# VKEY is the log's verifier key (empty: the one in the folder), ROOT what the root must be, from notes of your own.
# Needs sh, sha256sum, openssl (3.0 or newer), awk, od and the usual small tools; no andon. Of a folder it checks
#   1. that manifest has the form that andon writes, and is signed with the key of log.pub and vkey, and VKEY,
#   2. that the folder holds the files that it names, to the byte, and nothing else: no other file, link, pipe, folder,
#   3. that the lines of entries.jsonl and of left-out are entries 1, 2, 3, ... without a gap,
#   4. the signature of the checkpoint, and that the entries hash to its root (RFC 6962),
#   5. that every blob that an entry names is there,
#   6. that every line of openings is one that an entry commits to (its SHA-256 stands under "committed").
#   7. with CAFILE: each time stamp (openssl ts -verify, at the stamp's own time), and that it is of a checkpoint which the
#      log's key has signed; whether that is of these entries' past andon alone compares.
# It does not look at receipts of witnesses, nor whether an entry is in the one form that andon writes (order of keys,
# escapes, UTF-8), which only who has the log's key could have made otherwise: verify.py and andon do.
# Exit: 0 verified, 1 not, 2 cannot tell.
set -u
LC_ALL=C
export LC_ALL
umask 077
unset CDPATH

cannot() { echo "CANNOT TELL: $*" >&2; exit 2; }
bad() { echo "TAMPERED: $*" >&2; exit 1; }

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
vkey=${1:-}
what=${2:-${ANDON_EXPORT:-$here}}
want=${3:-}
for tool in sha256sum openssl awk od sed grep tail head sort stat cmp mktemp xargs; do
    command -v "$tool" >/dev/null 2>&1 || cannot "$tool is not installed"
done
# What cannot check a signature must not say that it is wrong: before 3.0 there was no -rawin, which Ed25519 needs.
openssl pkeyutl -help 2>&1 | grep -q -e '-rawin' || cannot "this openssl cannot check signatures of Ed25519: 3.0 is needed"
tmp=$(mktemp -d) || cannot "no room for temporary files"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 2' HUP INT TERM

hex() { od -An -v -tx1 | tr -d ' \n'; }
unbase64() { openssl base64 -d -A 2>/dev/null; }
# awk must be able to write any byte, NUL included.
[ "$(awk 'BEGIN { printf "%c%c%c", 0, 255, 10 }' | hex)" = 00ff0a ] || cannot "this awk cannot write bytes; try gawk or mawk"

# use_key VKEY [KIND]: its name, key hash and, for openssl, the key itself; of kind 01, a log's, or 04, a witness's. A key of Ed25519 in DER is 12 bytes and the key.
use_key() {
    printf '%s\n' "$1" | grep -qE '^[!-*,-~]{1,100}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$' || return 1
    origin=${1%%+*}
    id=${1#*+}
    id=${id%%+*}
    printf '%s' "${1#*+*+}" | unbase64 >"$tmp/typed"
    [ "$(head -c 1 "$tmp/typed" | hex)" = "${2:-01}" ] || return 1
    [ "$({ printf '%s\n' "$origin"; cat "$tmp/typed"; } | sha256sum | cut -c1-8)" = "$id" ] || return 1
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c 32 "$tmp/typed"; } >"$tmp/der"
    openssl pkey -pubin -inform DER -in "$tmp/der" -out "$tmp/log.pub" 2>/dev/null
}

# signed BODY LINES: is one of the signature lines this key's, and right for the body?
signed() {
    found=1
    awk -v o="$origin" '$0 == "\342\200\224 " o " " $3 && $3 ~ /^[A-Za-z0-9+\/]+=*$/ { print $3 }' "$2" >"$tmp/sigs"
    while IFS= read -r s; do
        printf '%s' "$s" | unbase64 >"$tmp/raw"
        [ "$(head -c 4 "$tmp/raw" | hex)" = "$id" ] && [ "$(openssl base64 -A <"$tmp/raw")" = "$s" ] || continue
        [ "$(wc -c <"$tmp/raw" | tr -d ' ')" = 68 ] || return 1
        tail -c 64 "$tmp/raw" >"$tmp/sig"
        openssl pkeyutl -verify -pubin -inkey "$tmp/log.pub" -rawin -in "$1" -sigfile "$tmp/sig" >/dev/null 2>&1 ||
            return 1
        found=0
    done <"$tmp/sigs"
    return $found
}

# Has the witness of the key in use signed $tmp/body? C2SP tlog-cosignature: 4 bytes of key hash, 8 of time, 64 signature.
cosigned() {
    awk -v o="$origin" '$0 == "\342\200\224 " o " " $3 { print $3 }' "$tmp/lines" | while IFS= read -r s; do
        printf '%s' "$s" | unbase64 >"$tmp/raw"
        [ "$(head -c 4 "$tmp/raw" | hex)" = "$id" ] && [ "$(wc -c <"$tmp/raw" | tr -d ' ')" = 76 ] || continue
        time=$(tail -c +5 "$tmp/raw" | head -c 8 | hex)
        { printf 'cosignature/v1\ntime %d\n' "0x$time"; cat "$tmp/body"; } >"$tmp/cosigned"
        tail -c 64 "$tmp/raw" >"$tmp/sig"
        openssl pkeyutl -verify -pubin -inkey "$tmp/log.pub" -rawin -in "$tmp/cosigned" -sigfile "$tmp/sig" && echo yes
    done 2>/dev/null | grep -q yes
}

# checkpoint FILE: its signature, size and root
checkpoint() {
    awk '{ if ($0 == "") exit; print }' "$1" >"$tmp/body"
    awk 'seen { print } $0 == "" { seen = 1 }' "$1" >"$tmp/lines"
    size=$(sed -n 2p "$tmp/body")
    root=$(sed -n 3p "$tmp/body" | unbase64 | hex)
    [ "$(sed -n 1p "$tmp/body")" = "$origin" ] || bad "the checkpoint is of another log than the key"
    [ ${#root} -eq 64 ] && printf '%s\n' "$size" | grep -qE '^(0|[1-9][0-9]{0,14})$' && [ "$(tail -c 1 "$1" | hex)" = 0a ] &&
        ! grep -qvE '^— [!-*,-~]+ [A-Za-z0-9+/]+=*$' "$tmp/lines" || bad "the checkpoint is not well formed"
    signed "$tmp/body" "$tmp/lines" || bad "the checkpoint is not signed by key $id"
    [ -z "$want" ] || [ "$want" = "$root" ] || bad "the root is $root, not the one that you expect"
}

# ---- a proof ----
if [ -f "$what" ]; then
    [ -n "$vkey" ] || cannot "a proof is verified with a key: sh verify.sh 'VKEY' FILE"
    use_key "$vkey" || cannot "that is no verifier key of an Ed25519 key"
    [ "$(wc -c <"$what" | tr -d ' ')" -lt 65536 ] || bad "the proof is too large"
    [ "$(tr -d '\000' <"$what" | wc -c)" = "$(wc -c <"$what")" ] || bad "the proof is not well formed"
    awk '{ if ($0 == "") exit; print }' "$what" >"$tmp/head"
    awk 'seen { print } $0 == "" { seen = 1 }' "$what" >"$tmp/checkpoint"
    [ "$(tail -c 1 "$what" | hex)" = 0a ] && [ "$(sed -n 1p "$tmp/head")" = c2sp.org/tlog-proof@v1 ] &&
        sed -n 2p "$tmp/head" | grep -qE '^extra [A-Za-z0-9+/]+=*$' &&
        sed -n 3p "$tmp/head" | grep -qE '^index (0|[1-9][0-9]{0,14})$' &&
        ! sed 1,3d "$tmp/head" | grep -qvE '^[A-Za-z0-9+/]{43}=$' || bad "the proof is not well formed"
    checkpoint "$tmp/checkpoint"
    index=$(sed -n '3s/^index //p' "$tmp/head")
    sed -n '2s/^extra //p' "$tmp/head" | unbase64 >"$tmp/leaf"
    [ "$(openssl base64 -A <"$tmp/leaf")" = "$(sed -n '2s/^extra //p' "$tmp/head")" ] || bad "the proof is not well formed"
    [ "$index" -lt "$size" ] || bad "the proof is of an entry that the checkpoint does not have"
    { printf '\000'; cat "$tmp/leaf"; } >"$tmp/node"
    i=$index
    last=$((size - 1))
    sed 1,3d "$tmp/head" >"$tmp/path"
    # RFC 9162, 2.1.3.2: the neighbour is to the left where the node is a right one, or the last of its row.
    while IFS= read -r h; do
        [ "$last" -gt 0 ] || bad "the proof is too long"
        sha256sum <"$tmp/node" | cut -c1-64 >"$tmp/hash"
        printf '%s' "$h" | unbase64 >"$tmp/other"
        [ "$(openssl base64 -A <"$tmp/other")" = "$h" ] || bad "the proof is not well formed"
        awk 'BEGIN { for (i = 0; i < 256; i++) byte[sprintf("%02x", i)] = i }
            { for (i = 1; i <= 64; i += 2) printf "%c", byte[substr($0, i, 2)] }' "$tmp/hash" >"$tmp/own"
        if [ $((i % 2)) -eq 1 ] || [ "$i" -eq "$last" ]; then
            { printf '\001'; cat "$tmp/other" "$tmp/own"; } >"$tmp/node"
            while [ $((i % 2)) -eq 0 ] && [ "$i" -gt 0 ]; do i=$((i / 2)); last=$((last / 2)); done
        else
            { printf '\001'; cat "$tmp/own" "$tmp/other"; } >"$tmp/node"
        fi
        i=$((i / 2))
        last=$((last / 2))
    done <"$tmp/path"
    [ "$last" -eq 0 ] && [ "$(sha256sum <"$tmp/node" | cut -c1-64)" = "$root" ] ||
        bad "the entry is not in the tree that the checkpoint signs"
    grep -q ",\"seq\":$((index + 1)),\"t\":" "$tmp/leaf" || bad "the entry has another number than the proof"
    log=$origin key=$id
    said="no witness was named: a roll back of the file is not excluded"
    if [ $# -gt 3 ]; then
        shift 3
        said="witnessed by $*"
        for w in "$@"; do
            use_key "$w" 04 || cannot "that is no verifier key of a witness: $w"
            cosigned || bad "the checkpoint is not signed by the witness $origin"
        done
    fi
    tr -d '\000-\037\177' <"$tmp/leaf"
    echo
    echo "OK ($said): entry $((index + 1)) of $size of $log, signed by key $key"
    exit 0
fi

# ---- a folder ----
ca=${4:-}
case $ca in "" | /*) ;; *) ca=$(pwd)/$ca ;; esac
[ -z "$ca" ] || [ -r "$ca" ] || cannot "$ca cannot be read"
cd "$what" || cannot "no such folder"
dir=$(pwd)
[ -e manifest ] || [ -L manifest ] || cannot "there is no export in $dir, or one without a manifest: nothing signed names its files"

# 2a. What is there, by name and kind, before any of it is opened
for f in * .[!.]* ..?*; do
    if [ ! -e "$f" ] && [ ! -L "$f" ]; then continue; fi # a pattern that nothing matches
    [ ! -L "$f" ] || bad "the folder holds a link"
    if [ "$f" = blobs ] && [ -d blobs ]; then
        for b in blobs/* blobs/.[!.]* blobs/..?*; do
            if [ ! -e "$b" ] && [ ! -L "$b" ]; then continue; fi
            [ ! -L "$b" ] && [ -f "$b" ] || bad "blobs holds a link, a pipe, a device or a folder"
            case ${b#blobs/} in *[!0-9a-f]*) bad "blobs holds a file that is no blob" ;; esac
            printf '%s\n' "$b" >>"$tmp/there"
        done
        blobs=1
        continue
    fi
    [ -f "$f" ] || bad "the folder holds a pipe, a device or a folder"
    case $f in *[!A-Za-z0-9._-]* | [!A-Za-z0-9]*) bad "the folder holds a file that the manifest cannot name" ;; esac
    [ "$f" = manifest ] || printf '%s\n' "$f" >>"$tmp/there"
done
for f in entries.jsonl checkpoint log.pub vkey; do
    [ -f "$f" ] || bad "$f is missing"
done

# 1. The manifest. What is not in its form, to the byte, is none; lines of files are in order of their names.
[ "$(tr -d '\000' <manifest | wc -c)" = "$(wc -c <manifest)" ] && [ "$(tail -c 1 manifest | hex)" = 0a ] ||
    bad "the manifest is not well formed"
awk '{ if ($0 == "") exit; print }' manifest >"$tmp/text"
awk 'seen { print } $0 == "" { seen = 1 }' manifest >"$tmp/mlines"
sed 1,6d "$tmp/text" >"$tmp/files"
cut -d ' ' -f 4 "$tmp/files" >"$tmp/names"
line() { sed -n "$1p" "$tmp/text" | grep -qE "$2"; }
[ "$(sed -n 1p "$tmp/text")" = "andon manifest 1" ] && line 2 '^origin .{1,100}$' &&
    line 3 '^size (0|[1-9][0-9]{0,17})$' && line 4 '^root [0-9a-f]{64}$' && line 5 '^shown (0|[1-9][0-9]{0,17})$' &&
    line 6 '^selected [ -~]{1,400}$' &&
    ! grep -qvE '^[0-9a-f]{64} (0|[1-9][0-9]{0,17}) [a-z0-9._-]{1,64} (blobs/[0-9a-f]{64}|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$' \
        "$tmp/files" &&
    ! grep -qxE 'blobs|manifest' "$tmp/names" && sort -cu "$tmp/names" 2>/dev/null &&
    awk '$4 ~ /^blobs\// && $4 != "blobs/" $1 { exit 1 }' "$tmp/files" && [ "$(wc -l <"$tmp/mlines" | tr -d ' ')" = 1 ] ||
    bad "the manifest is not well formed"
own=$(cat vkey)
printf '%s\n' "$own" | cmp -s - vkey && use_key "$own" || bad "vkey is no verifier key"
if [ -n "$vkey" ] && [ "$vkey" != "$own" ]; then bad "signed by key $id, not by the key that you expect"; fi
cmp -s "$tmp/log.pub" log.pub || bad "vkey and log.pub are not the same key"
[ "$(sed -n '2s/^origin //p' "$tmp/text")" = "$origin" ] || bad "the manifest is of another log than the key"
signed "$tmp/text" "$tmp/mlines" || bad "the manifest is not signed by key $id"

# 2b. The same files, no more and no fewer, to the byte
sort "$tmp/there" | cmp -s - "$tmp/names" || bad "the folder does not hold what the manifest names"
grep -q '^blobs/' "$tmp/names" || [ -z "${blobs:-}" ] || bad "the manifest names no blobs"
xargs sha256sum <"$tmp/names" | awk '{ print $1, $2 }' >"$tmp/sums"
awk '{ print $1, $4 }' "$tmp/files" >"$tmp/want"
cmp -s "$tmp/want" "$tmp/sums" ||
    bad "$(awk 'NR == FNR { want[$2] = $1; next } want[$2] != $1 { print $2; exit }' "$tmp/want" "$tmp/sums") is not the file that the manifest names"
xargs stat -c '%s %n' <"$tmp/names" >"$tmp/sizes"
awk '{ print $2, $4 }' "$tmp/files" >"$tmp/want"
cmp -s "$tmp/want" "$tmp/sizes" ||
    bad "$(awk 'NR == FNR { want[$2] = $1; next } want[$2] != $1 { print $2; exit }' "$tmp/want" "$tmp/sizes") has not the size that the manifest names"

# 3. Numbering; the last byte must end a line
checkpoint checkpoint
[ "$(tail -c 1 entries.jsonl | hex)" = 0a ] || bad "entries.jsonl is cut off"
: >"$tmp/left"
if [ -f left-out ]; then
    { [ ! -s left-out ] || [ "$(tail -c 1 left-out | hex)" = 0a ]; } &&
        ! grep -qvE '^[1-9][0-9]{0,14} [1-9][0-9]{0,14} [0-9a-f]{64}$' left-out || bad "left-out is not well formed"
    cat left-out >"$tmp/left"
fi
awk '{
    if (!match($0, /.*,"seq":[0-9]/)) { print "a line of entries.jsonl is no entry"; exit 1 }
    s = substr($0, RLENGTH); sub(/,.*/, "", s)
    if (s ~ /[^0-9]/) { print "a line of entries.jsonl is no entry"; exit 1 }
    print s
}' entries.jsonl >"$tmp/seqs" || bad "$(tail -n 1 "$tmp/seqs")"
awk -v n="$size" '
    function skip() {
        while (k < runs && from[k + 1] == at) {
            c = count[++k]
            for (p = c; p > 1; p /= 2) if (p % 2) bad("left-out is not well formed")
            if ((at - 1) % c) bad("left-out is not well formed")
            at += c
        }
    }
    function bad(why) { print why; failed = 1; exit 1 }
    BEGIN { at = 1 }
    f == 1 { from[++runs] = $1; count[runs] = $2; next }
    { skip(); if ($1 "" != at "") bad("in the place of entry " at " stands entry " $1); at++ }
    END { if (failed) exit 1
          skip()
          if (k < runs) { print "left-out does not fit between the entries"; exit 1 }
          if (at - 1 != n) { print at - 1 " entries, but the checkpoint signs " n; exit 1 } }
' f=1 "$tmp/left" f=2 "$tmp/seqs" >"$tmp/why" || bad "$(tail -n 1 "$tmp/why")"
shown=$(wc -l <"$tmp/seqs" | tr -d ' ')
[ "$(sed -n 3,5p "$tmp/text")" = "size $size
root $root
shown $shown" ] || bad "the manifest is of another state of the log than the entries"
# The log's first entry names its key.
head -n 1 entries.jsonl | grep -qF "\"vkey\":\"$own\"" || bad "the first entry does not name the key $id"

# 4. The tree. Leaf: SHA-256(00 entry). Node: SHA-256(01 left right). A node without a neighbour goes up as it is,
# which gives the tree of RFC 6962. Files of one level are hashed by one sha256sum, some thousands at a time. A line of
# a level is a node's place in it and its hash; subtrees that are left out join at the level of their root.
mkdir "$tmp/f"
cd "$tmp/f" || cannot "no room for temporary files"
hash_files() { printf '%s\n' * | xargs sha256sum | cut -c1-64; }
: >"$tmp/hashes"
at=1
while [ "$at" -le "$shown" ]; do
    to=$((at + 4095))
    rm -rf "$tmp/f"; mkdir "$tmp/f"; cd "$tmp/f" || cannot "no room for temporary files"
    awk -v a="$at" -v b="$to" 'NR > b { exit }
        NR >= a { f = sprintf("%09d", NR); printf "%c", 0 > f; ORS = ""; print $0 > f; close(f) }' "$dir/entries.jsonl" ||
        cannot "no room for temporary files"
    hash_files >>"$tmp/hashes"
    at=$((to + 1))
done
awk -v h="$tmp/hashes" '{ getline x < h; print $1 - 1, x }' "$tmp/seqs" >"$tmp/level"
width=$size
span=1
while :; do
    if [ -s "$tmp/left" ]; then
        awk -v c="$span" '$2 == c { print ($1 - 1) / c, $3 }' "$tmp/left" | sort -n -m - "$tmp/level" >"$tmp/next"
        mv "$tmp/next" "$tmp/level"
    fi
    [ "$width" -gt 1 ] || break
    : >"$tmp/hashes"
    awk '{ if (have && $1 == p + 1 && p % 2 == 0) { print p / 2, h $2; have = 0 }
           else { p = $1; h = $2; have = 1 } }' "$tmp/level" >"$tmp/pairs"
    awk -v w="$width" 'w % 2 && $1 == w - 1 { print $1 / 2, $2 }' "$tmp/level" >"$tmp/lone"
    pairs=$(wc -l <"$tmp/pairs" | tr -d ' ')
    at=1
    while [ "$at" -le "$pairs" ]; do
        to=$((at + 4095))
        rm -rf "$tmp/f"; mkdir "$tmp/f"; cd "$tmp/f" || cannot "no room for temporary files"
        awk -v a="$at" -v b="$to" 'BEGIN { for (i = 0; i < 256; i++) byte[sprintf("%02x", i)] = i }
            NR > b { exit }
            NR < a { next }
            { f = sprintf("%09d", NR); printf "%c", 1 > f
              for (i = 1; i <= 128; i += 2) printf "%c", byte[substr($2, i, 2)] > f
              close(f) }' "$tmp/pairs" || cannot "no room for temporary files"
        hash_files >>"$tmp/hashes"
        at=$((to + 1))
    done
    awk -v h="$tmp/hashes" '{ getline x < h; print $1, x }' "$tmp/pairs" >"$tmp/level"
    cat "$tmp/lone" >>"$tmp/level"
    width=$(((width + 1) / 2))
    span=$((span * 2))
done
cd "$dir" || cannot "the folder went away"
[ "$(cat "$tmp/level")" = "0 $root" ] || bad "the entries do not hash to the root that the checkpoint signs"

# 5. Blobs that entries name: fields "blob", "blob.x" and "x.blob"
awk '{
    while (match($0, /"(blob|blob\.[a-z0-9._-]+|[a-z0-9._-]+\.blob)":"[0-9a-f]*"/)) {
        m = substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH)
        sub(/^.*":"/, "", m); sub(/"$/, "", m)
        if (length(m) == 64) print m
    }
}' entries.jsonl | sort -u >"$tmp/named"
while IFS= read -r b; do
    [ -f "blobs/$b" ] || bad "the blob $b that an entry names is missing"
done <"$tmp/named"

# 6. What entries commit to, as "number path digest", and what of it is open, erased (a blob that an entry of kind redact
# names says so, by numbers over all files of the log), or just not here
awk '{
    if (!match($0, /.*,"seq":[0-9]+,/)) next
    s = substr($0, 1, RLENGTH - 1); sub(/^.*:/, "", s)
    if (!match($0, /^\{"actor":\{("[a-z]+":"([^"\\]|\\.)*",?)*\},("after":"([^"\\]|\\.)*",)?("before":"([^"\\]|\\.)*",)?"committed":\{/)) next
    c = substr($0, RLENGTH + 1); sub(/\}.*/, "", c)
    n = split(c, v, ",")
    for (i = 1; i <= n; i++) {
        gsub(/"/, "", v[i]); d = v[i]; sub(/^[^:]*:/, "", d); sub(/:.*/, "", v[i])
        if (length(d) == 64 && d !~ /[^0-9a-f]/) print s, v[i], d
    }
}' entries.jsonl >"$tmp/committed"
: >"$tmp/openings"
if [ -f openings ]; then
    [ "$(tr -d '\000' <openings | wc -c)" = "$(wc -c <openings)" ] && { [ ! -s openings ] || [ "$(tail -c 1 openings | hex)" = 0a ]; } &&
        ! grep -qvE '^[1-9][0-9]{0,14} [a-z0-9._-]{1,64} [0-9a-f]{64} ("[^[:cntrl:]]*"|-?(0|[1-9][0-9]{0,17}))$' openings &&
        cut -d ' ' -f 1,2 openings | sort -cu -t ' ' -k 1,1n -k 2,2 2>/dev/null || bad "openings is not well formed"
    cat openings >"$tmp/openings"
fi
opened=$(wc -l <"$tmp/openings" | tr -d ' ')
: >"$tmp/hashes"
at=1
while [ "$at" -le "$opened" ]; do
    to=$((at + 4095))
    rm -rf "$tmp/f"; mkdir "$tmp/f"; cd "$tmp/f" || cannot "no room for temporary files"
    awk -v a="$at" -v b="$to" 'NR > b { exit }
        NR >= a { f = sprintf("%09d", NR); ORS = ""; print $0 > f; close(f) }' "$tmp/openings" ||
        cannot "no room for temporary files"
    hash_files >>"$tmp/hashes"
    at=$((to + 1))
done
cd "$dir" || cannot "the folder went away"
awk -v h="$tmp/hashes" '{ getline x < h; print $1, $2, x }' "$tmp/openings" >"$tmp/open"
awk 'f == 1 { c[$1 " " $2] = $3; next } c[$1 " " $2] != $3 { exit 1 }' f=1 "$tmp/committed" f=2 "$tmp/open" ||
    bad "there is an opening that no entry commits to"
awk '/,"kind":"redact",/ && match($0, /"erased\.blob":"[0-9a-f]*"/) { m = substr($0, RSTART + 15, RLENGTH - 16); if (length(m) == 64) print "blobs/" m }' \
    entries.jsonl | xargs cat /dev/null >"$tmp/erased"
base=$(head -n 1 entries.jsonl | sed -n 's/.*"previous\.newest":\([0-9]*\).*/\1/p')
counts=$(awk -v base="${base:-0}" 'f == 1 { open[$1 " " $2] = 1; next } f == 2 { gone[$1 - base " " $2] = 1; next }
    { n++; k = $1 " " $2; if (k in open) o++; else if (k in gone) e++ }
    END { if (n) printf "; %d committed values: %d open, %d erased, %d without an opening here", n, o, e, n - o - e }' \
    f=1 "$tmp/open" f=2 "$tmp/erased" f=3 "$tmp/committed")

slice=
[ "$shown" = "$size" ] || slice="; a slice: $shown of $size entries, nothing is said about the others"
echo "OK (no receipt of a witness is looked at here: a roll back of the file is not excluded): $shown entries of $origin, signed by key $id$counts$slice"
echo "root $root"
echo "The form of entries (order of keys, escapes) was not looked at here: verify.py does."
stamps=$(grep -a '"kind":"receipt"' entries.jsonl | grep -a '"checkpoint.blob":"' | grep -ac '"token.blob":"')
if [ "$stamps" != 0 ] && [ -z "$ca" ]; then
    echo "$stamps time stamps were not judged: name their authority's root, sh verify.sh 'VKEY' FOLDER ROOT CAFILE, or openssl ts -verify -data blobs/CHECKPOINT.BLOB -in blobs/TOKEN.BLOB -token_in -CAfile CAFILE"
elif [ "$stamps" != 0 ]; then
    awk '/"kind":"receipt"/ {
        if (!match($0, /"checkpoint\.blob":"[0-9a-f]*"/)) next
        c = substr($0, RSTART + 19, RLENGTH - 20)
        if (!match($0, /"token\.blob":"[0-9a-f]*"/)) next
        t = substr($0, RSTART + 14, RLENGTH - 15)
        if (length(c) == 64 && length(t) == 64) print c, t
    }' entries.jsonl >"$tmp/stamps"
    good=0 newest=
    while read -r c t; do
        awk '{ if ($0 == "") exit; print }' "blobs/$c" >"$tmp/body"
        awk 'seen { print } $0 == "" { seen = 1 }' "blobs/$c" >"$tmp/lines"
        [ "$(sed -n 1p "$tmp/body")" = "$origin" ] && signed "$tmp/body" "$tmp/lines" || bad "a time stamp is of a checkpoint that key $id has not signed"
        at=$(openssl ts -reply -in "blobs/$t" -token_in -token_out -text 2>/dev/null | sed -n 's/^Time stamp: //p' | sed 's/\(:[0-9][0-9]\)\.[0-9]* /\1 /')
        [ -n "$at" ] && when=$(date -u -d "$at" +%s 2>/dev/null) || continue
        openssl ts -verify -data "blobs/$c" -in "blobs/$t" -token_in -CAfile "$ca" -attime "$when" >/dev/null 2>&1 || continue
        good=$((good + 1)) newest="the newest: $(sed -n 2p "$tmp/body") entries by $at"
    done <"$tmp/stamps"
    echo "$good of $stamps time stamps are good by that root${newest:+; $newest}"
    [ "$good" = "$stamps" ] || echo "The others are of another authority, or no time stamps of their checkpoints."
fi
[ -n "$vkey" ] || echo "The key was not compared with one that you trust: sh verify.sh 'VKEY'"
