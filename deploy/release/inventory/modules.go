package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// The Go modules that a program says it was built from, and Go's own library.
func modules(top, binary string) ([]part, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("%s does not say which Go modules are in it: %w", binary, err)
	}
	root, err := output(top, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	library, err := goPart("std", version, strings.TrimSpace(string(root)))
	if err != nil {
		return nil, err
	}
	library.purl = "pkg:golang/std@" + version
	found := []part{library}
	for _, module := range info.Deps {
		if module.Replace != nil {
			return nil, fmt.Errorf("%s is replaced, which this program does not know how to list", module.Path)
		}
		folder, err := output(filepath.Join(top, "vendor/libtailscale"), "go", "list", "-m", "-f={{.Dir}}", module.Path)
		if err != nil {
			return nil, err
		}
		made, err := goPart(module.Path, module.Version, strings.TrimSpace(string(folder)))
		if err != nil {
			return nil, err
		}
		if made.sha256, err = sum(module); err != nil {
			return nil, err
		}
		found = append(found, made)
	}
	return found, nil
}

func goPart(path, version, folder string) (part, error) {
	texts, err := textsIn(folder)
	if err != nil {
		return part{}, err
	}
	return part{
		name:    path,
		version: version,
		purl:    "pkg:golang/" + path + "@" + escaped(version),
		licence: licence(texts),
		texts:   texts,
	}, nil
}

// The hash over a module's files that go.sum pins.
func sum(module *debug.Module) (string, error) {
	bytes, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:"))
	if err != nil {
		return "", fmt.Errorf("the sum of %s: %w", module.Path, err)
	}
	return hex.EncodeToString(bytes), nil
}

// Sentences that only one licence has. Go modules do not say which one is theirs.
var sentences = []struct {
	licence  string
	sentence *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License,? Version 2\.0`)},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
	{"BSD-3-Clause", regexp.MustCompile(`endorse or promote products`)},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and(/or)? distribute this software`)},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge`)},
}

// The licences that texts are recognised as, all of which hold; "" when there is none.
func licence(texts []string) string {
	whole := strings.Join(strings.Fields(strings.Join(texts, "\n")), " ")
	var found []string
	for _, known := range sentences {
		if known.sentence.MatchString(whole) {
			found = append(found, known.licence)
		}
	}
	expression := strings.Join(found, " AND ")
	// The longer of the two begins as the shorter one does.
	return strings.ReplaceAll(expression, "BSD-2-Clause AND BSD-3-Clause", "BSD-3-Clause")
}

var licenceName = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^(copying|copyright|notice|patents)\b`)

// The licences and notices at the top of a folder, sorted by name.
func textsIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, entry := range entries {
		source := strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), ".rs")
		if !entry.Type().IsRegular() || source || !licenceName.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}
