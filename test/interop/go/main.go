// Checks the audit log with the transparency-log library of the Go checksum database: nothing of this project's code.
// Arguments: an export, or the address of a public log; the key of the log; for an address, an export with the entries.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var cache = map[string][]byte{}

func read(source, path string) ([]byte, error) {
	if bytes, ok := cache[path]; ok {
		return bytes, nil
	}
	bytes, err := fetch(source, path)
	if err == nil {
		cache[path] = bytes
	}
	return bytes, err
}

func fetch(source, path string) ([]byte, error) {
	if !strings.HasPrefix(source, "http") {
		return os.ReadFile(filepath.Join(source, path))
	}
	response, err := http.Get(source + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

// tiles reads C2SP tlog-tiles paths, which are sumdb's without the tile height.
type tiles struct{ source string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(wanted))
	for i, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := read(t.source, path)
		if err != nil {
			return nil, err
		}
		found[i] = bytes
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func tree(source, key string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(key)
	check(err)
	signed, err := read(source, "checkpoint")
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("the checkpoint is of %q", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	return size, tlog.Hash(root)
}

func entries(directory string, bundle, size int64) [][]byte {
	width := min(size-bundle*256, 256)
	tile := tlog.Tile{H: 8, L: -1, N: bundle, W: int(width)}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	bytes, err := os.ReadFile(filepath.Join(directory, path))
	check(err)
	var found [][]byte
	for len(bytes) > 0 {
		length := int(binary.BigEndian.Uint16(bytes))
		found = append(found, bytes[2:2+length])
		bytes = bytes[2+length:]
	}
	return found
}

func main() {
	source, key := os.Args[1], os.Args[2]
	directory := source
	if len(os.Args) > 3 {
		directory = os.Args[3]
	}
	size, root := tree(source, key)
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{source})
	index := int64(0)
	for bundle := int64(0); bundle*256 < size; bundle++ {
		for _, entry := range entries(directory, bundle, size) {
			proof, err := tlog.ProveRecord(size, index, hashes)
			check(err)
			check(tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry)))
			index++
		}
	}
	if index != size {
		check(fmt.Errorf("%d entries in a tree of %d", index, size))
	}
	fmt.Printf("%d entries proven\n", index)
}
