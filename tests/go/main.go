// andon's proofs and folders, checked by an implementation that is not andon's: Go's sumdb packages note and tlog.
//
//	check VKEY FILE.tlog-proof
//	check VKEY FOLDER             a whole log: its manifest, its checkpoint, the root of its entries
//
// Exit: 0 verified, 1 not.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func openCheckpoint(text []byte, v note.Verifier) (c checkpoint, err error) {
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return c, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != v.Name() {
		return c, errors.New("not a checkpoint of this log")
	}
	c.origin = lines[0]
	if c.size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return c, err
	}
	c.root, err = tlog.ParseHash(lines[2])
	return c, err
}

func proof(text []byte, v note.Verifier) (string, error) {
	head, rest, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", errors.New("not a tlog-proof")
	}
	leaf, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return "", err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return "", err
	}
	var path tlog.RecordProof
	for _, line := range lines[3:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return "", err
		}
		path = append(path, h)
	}
	c, err := openCheckpoint([]byte(rest), v)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckRecord(path, c.size, c.root, index, tlog.RecordHash(leaf)); err != nil {
		return "", err
	}
	return fmt.Sprintf("entry %d of %d of %s", index+1, c.size, c.origin), nil
}

// The stored hashes of a tree, in memory.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, h[i])
	}
	return out, nil
}

func folder(dir string, v note.Verifier) (string, error) {
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))) }
	text, err := read("manifest")
	if err != nil {
		return "", err
	}
	m, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSuffix(m.Text, "\n"), "\n")
	if len(lines) < 6 || lines[0] != "andon manifest 1" || lines[1] != "origin "+v.Name() {
		return "", errors.New("not a manifest of this log")
	}
	for _, line := range lines[6:] {
		word := strings.Split(line, " ")
		data, err := read(word[3])
		if err != nil {
			return "", err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != word[0] || strconv.Itoa(len(data)) != word[1] {
			return "", errors.New(word[3] + " is not the file that the manifest names")
		}
	}
	if text, err = read("checkpoint"); err != nil {
		return "", err
	}
	c, err := openCheckpoint(text, v)
	if err != nil {
		return "", err
	}
	data, err := read("entries.jsonl")
	if err != nil {
		return "", err
	}
	var stored hashes
	entries := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	for i, line := range entries {
		more, err := tlog.StoredHashes(int64(i), line, stored)
		if err != nil {
			return "", err
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), stored)
	if err != nil {
		return "", err
	}
	if int64(len(entries)) != c.size || root != c.root || lines[3] != "root "+hex.EncodeToString(root[:]) {
		return "", errors.New("the entries do not hash to the root that is signed")
	}
	return fmt.Sprintf("%d entries of %s", c.size, c.origin), nil
}

func check(vkey, path string) (string, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if info.IsDir() {
		return folder(path, v)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return proof(text, v)
}

func main() {
	said, err := "", errors.New("usage: check VKEY FILE|FOLDER")
	if len(os.Args) == 3 {
		said, err = check(os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "NOT VERIFIED:", err)
		os.Exit(1)
	}
	fmt.Println("OK:", said)
}
