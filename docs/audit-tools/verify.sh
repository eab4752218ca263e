#!/bin/sh
# verify.sh [VKEY [FOLDER]]: verifies an exported andon audit log in FOLDER (or in $ANDON_EXPORT, or beside this script).
#
# Needs sh, sha256sum, openssl (1.1.1 or newer), awk, od and the usual small tools; no andon. It checks
#   1. SHA256SUMS and the names of the blobs,
#   2. that the lines of entries.jsonl are entries 1, 2, 3, ... without a gap,
#   3. the Ed25519 signature of the checkpoint with log.pub, and that log.pub is the key VKEY (or the file vkey),
#   4. that the entries hash to the root in the checkpoint (RFC 6962),
#   5. that every blob that an entry names is there.
# Exit: 0 verified, 1 not, 2 cannot tell.
set -u
LC_ALL=C
export LC_ALL
umask 077
unset CDPATH

cannot() { echo "CANNOT TELL: $*" >&2; exit 2; }
bad() { echo "TAMPERED: $*" >&2; exit 1; }

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
cd "${2:-${ANDON_EXPORT:-$here}}" || cannot "no such folder"
dir=$(pwd)
for tool in sha256sum openssl awk od sed tail cmp mktemp xargs; do
    command -v "$tool" >/dev/null 2>&1 || cannot "$tool is not installed"
done
[ -f entries.jsonl ] || [ -f checkpoint ] || [ -f SHA256SUMS ] || cannot "there is no export in $dir: name its folder"
for f in entries.jsonl checkpoint log.pub vkey SHA256SUMS; do
    [ -f "$f" ] || bad "$f is missing"
done
tmp=$(mktemp -d) || cannot "no room for temporary files"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 2' HUP INT TERM

hex() { od -An -v -tx1 | tr -d ' \n'; }
# awk must be able to write any byte, NUL included.
[ "$(awk 'BEGIN { printf "%c%c%c", 0, 255, 10 }' | hex)" = 00ff0a ] || cannot "this awk cannot write bytes; try gawk or mawk"

# 1. Digests
# sha256sum passes over a line that it cannot read, and takes digests in capitals.
if LC_ALL=C grep -qvE '^[0-9a-f]{64}  [^ ]' SHA256SUMS; then bad "SHA256SUMS has a line that names no file and digest"; fi
sha256sum -c --quiet SHA256SUMS >&2 2>/dev/null || sha256sum -c SHA256SUMS 2>/dev/null | grep -v ': OK$' >&2
sha256sum -c SHA256SUMS >/dev/null 2>&1 || bad "a file is not the one that SHA256SUMS names"
if [ -d blobs ]; then
    (cd blobs && ls) | while IFS= read -r b; do
        [ "$(sha256sum <"blobs/$b" | cut -c1-64)" = "$b" ] || { echo "blob $b does not match its name" >&2; exit 1; }
    done || bad "a blob was changed"
fi

# 2. Numbering; the last byte must end a line
[ "$(tail -c 1 entries.jsonl | hex)" = 0a ] || bad "entries.jsonl is cut off"
awk '{
    if (!match($0, /,"seq":[0-9]+,"t":/)) { print "entry " NR " has no number"; exit 1 }
    s = substr($0, RSTART + 7, RLENGTH - 12)
    if (s != NR "") { print "in the place of entry " NR " stands entry " s; exit 1 }
}' entries.jsonl >&2 || bad "entries.jsonl is not entries 1, 2, 3, ..."

# 3. Signature
awk '{ if ($0 == "") exit; print }' checkpoint >"$tmp/body"
origin=$(sed -n 1p checkpoint)
size=$(sed -n 2p checkpoint)
root=$(sed -n 3p checkpoint | openssl base64 -d -A 2>/dev/null | hex)
[ ${#root} -eq 64 ] || bad "the checkpoint is not well formed"
case $size in '' | *[!0-9]*) bad "the checkpoint is not well formed" ;; esac
openssl pkey -pubin -in log.pub -outform DER -out "$tmp/der" 2>/dev/null || bad "log.pub is not a public key"
[ "$(head -c 12 "$tmp/der" | hex)" = 302a300506032b6570032100 ] || bad "log.pub is not an Ed25519 key"
tail -c 32 "$tmp/der" >"$tmp/pub"
{ printf '%s\n\001' "$origin"; cat "$tmp/pub"; } >"$tmp/named"
id=$(sha256sum <"$tmp/named" | cut -c1-8)
key=$({ printf '\001'; cat "$tmp/pub"; } | openssl base64 -A)
[ "$(cat vkey)" = "$origin+$id+$key" ] || bad "vkey and log.pub are not the same key"
if [ $# -gt 0 ] && [ "$1" != "$origin+$id+$key" ]; then bad "signed by key $id, not by the key that you expect"; fi
found=0
# The signature line of this key: em dash, name, base64 of key hash and signature; other keys' lines do not matter.
awk -v o="$origin" '{ if (seen && $1 == "\342\200\224" && $2 == o && NF == 3) print $3; if ($0 == "") seen = 1 }' \
    checkpoint >"$tmp/sigs"
while IFS= read -r s; do
    printf '%s' "$s" | openssl base64 -d -A >"$tmp/raw" 2>/dev/null
    [ "$(head -c 4 "$tmp/raw" | hex)" = "$id" ] || continue
    [ "$(wc -c <"$tmp/raw" | tr -d ' ')" = 68 ] || bad "the checkpoint's signature is not well formed"
    tail -c 64 "$tmp/raw" >"$tmp/sig"
    openssl pkeyutl -verify -pubin -inkey log.pub -rawin -in "$tmp/body" -sigfile "$tmp/sig" >/dev/null 2>&1 ||
        bad "the checkpoint's signature is wrong"
    found=1
done <"$tmp/sigs"
[ "$found" = 1 ] || bad "the checkpoint is not signed by key $id"

# 4. The tree. Leaf: SHA-256(00 entry). Node: SHA-256(01 left right). A node without a neighbour goes up as it is,
# which gives the tree of RFC 6962. Files of one level are hashed by one sha256sum, some thousands at a time.
n=$(wc -l <entries.jsonl | tr -d ' ')
[ "$n" = "$size" ] || bad "$n entries, but the checkpoint signs $size"
mkdir "$tmp/f"
cd "$tmp/f" || cannot "no room for temporary files"
hash_files() { printf '%s\n' * | xargs sha256sum | cut -c1-64; }
: >"$tmp/level"
at=1
while [ "$at" -le "$n" ]; do
    to=$((at + 4095))
    rm -rf "$tmp/f"; mkdir "$tmp/f"; cd "$tmp/f" || cannot "no room for temporary files"
    awk -v a="$at" -v b="$to" 'NR > b { exit }
        NR >= a { f = sprintf("%09d", NR); printf "%c", 0 > f; ORS = ""; print $0 > f; close(f) }' "$dir/entries.jsonl" ||
        cannot "no room for temporary files"
    hash_files >>"$tmp/level"
    at=$((to + 1))
done
while [ "$(wc -l <"$tmp/level" | tr -d ' ')" -gt 1 ]; do
    : >"$tmp/next"
    nodes=$(wc -l <"$tmp/level" | tr -d ' ')
    at=1
    while [ "$at" -lt "$nodes" ]; do
        to=$((at + 8191))
        rm -rf "$tmp/f"; mkdir "$tmp/f"; cd "$tmp/f" || cannot "no room for temporary files"
        awk -v a="$at" -v b="$to" 'BEGIN { for (i = 0; i < 256; i++) byte[sprintf("%02x", i)] = i }
            NR > b { exit }
            NR < a { next }
            NR % 2 { left = $0; next }
            { f = sprintf("%09d", NR); both = left $0; printf "%c", 1 > f
              for (i = 1; i <= 128; i += 2) printf "%c", byte[substr(both, i, 2)] > f
              close(f) }' "$tmp/level" || cannot "no room for temporary files"
        hash_files >>"$tmp/next"
        at=$((to + 1))
    done
    [ $((nodes % 2)) -eq 0 ] || tail -n 1 "$tmp/level" >>"$tmp/next"
    mv "$tmp/next" "$tmp/level"
done
cd "$dir" || cannot "the folder went away"
[ "$(cat "$tmp/level")" = "$root" ] || bad "the entries do not hash to the root that the checkpoint signs"

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

echo "OK (unwitnessed: rollback not excluded): $n entries of $origin, signed by key $id"
[ $# -gt 0 ] || echo "The key was not compared with one that you trust: sh verify.sh 'VKEY'"
