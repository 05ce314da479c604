package main

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The crates that are linked into the program for a target, and Rust's own library.
// Macros and build scripts leave nothing of theirs in it.
func crates(top, target string) ([]part, error) {
	tree, err := output(top, "cargo", "tree", "--locked", "--edges=normal,no-proc-macro",
		"--target="+target, "--prefix=none", "--no-dedupe", "--format={p}")
	if err != nil {
		return nil, err
	}
	var metadata struct {
		Packages []struct {
			Name, Version, License string
			Manifest               string `json:"manifest_path"`
			Source                 *string
		}
	}
	text, err := output(top, "cargo", "metadata", "--locked", "--format-version=1", "--filter-platform="+target)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &metadata); err != nil {
		return nil, fmt.Errorf("reading cargo metadata: %w", err)
	}
	pinned, err := checksums(filepath.Join(top, "Cargo.lock"))
	if err != nil {
		return nil, err
	}
	linked := map[string]bool{}
	for line := range strings.Lines(string(tree)) {
		if words := strings.Fields(line); len(words) >= 2 {
			linked[words[0]+" "+words[1]] = true
		}
	}
	library, err := rustLibrary()
	if err != nil {
		return nil, err
	}
	found := []part{library}
	for _, crate := range metadata.Packages {
		// Without a source it is this repository's.
		if crate.Source == nil || !linked[crate.Name+" v"+crate.Version] {
			continue
		}
		texts, err := textsIn(filepath.Dir(crate.Manifest))
		if err != nil {
			return nil, err
		}
		found = append(found, part{
			name:    crate.Name,
			version: crate.Version,
			purl:    "pkg:cargo/" + crate.Name + "@" + escaped(crate.Version),
			licence: strings.ReplaceAll(crate.License, "/", " OR "),
			sha256:  pinned[crate.Name+" "+crate.Version],
			texts:   texts,
		})
	}
	if len(found) < len(linked) {
		return nil, fmt.Errorf("cargo tree names %d packages and cargo metadata knows %d of them", len(linked), len(found))
	}
	return found, nil
}

// What Cargo.lock pins: "NAME VERSION" to a SHA-256.
func checksums(lock string) (map[string]string, error) {
	text, err := os.ReadFile(lock)
	if err != nil {
		return nil, err
	}
	pinned := map[string]string{}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		fields[key] = strings.Trim(value, `"`)
		if key == "checksum" {
			pinned[fields["name"]+" "+fields["version"]] = fields["checksum"]
		}
	}
	return pinned, nil
}

var (
	tags       = regexp.MustCompile(`(?s)<(head|script|style)\b.*?</(head|script|style)>|<[^>]*>`)
	emptyLines = regexp.MustCompile(`\n\s*\n\s*\n`)
)

// The notices of Rust's library and of what it is made of come with the toolchain.
func rustLibrary() (part, error) {
	root, err := output(".", "rustc", "--print=sysroot")
	if err != nil {
		return part{}, err
	}
	words, err := output(".", "rustc", "--version")
	if err != nil {
		return part{}, err
	}
	notices := filepath.Join(strings.TrimSpace(string(root)), "share/doc/rust/COPYRIGHT-library.html")
	page, err := os.ReadFile(notices)
	if err != nil {
		return part{}, fmt.Errorf("the notices of Rust's library are missing, use a toolchain of rustup: %w", err)
	}
	text := html.UnescapeString(tags.ReplaceAllString(string(page), ""))
	version := strings.Fields(string(words))[1]
	return part{
		name:    "rust-std",
		version: version,
		purl:    "pkg:generic/rust-std@" + version,
		licence: "MIT OR Apache-2.0",
		texts:   []string{emptyLines.ReplaceAllString(text, "\n\n")},
	}, nil
}

// output runs a command in a folder; a failure names it.
func output(folder string, words ...string) ([]byte, error) {
	command := exec.Command(words[0], words[1:]...)
	command.Dir = folder
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(words, " "), err)
	}
	return text, nil
}
