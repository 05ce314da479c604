package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What the C compiler links into a static program, as Debian packages it.
var libraries = []struct {
	file, licence string
	also          []string // texts that the package's own one refers to
}{
	{"libc.a", "LGPL-2.1-or-later", []string{"/usr/share/common-licenses/LGPL-2.1"}},
	{"libgcc_eh.a", "GPL-3.0-or-later WITH GCC-exception-3.1", nil},
}

func system() ([]part, error) {
	var found []part
	for _, library := range libraries {
		made, err := packaged(library.file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (a release is made on Debian, with its C compiler)", library.file, err)
		}
		made.licence = library.licence
		for _, path := range library.also {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			made.texts = append(made.texts, string(text))
		}
		found = append(found, made)
	}
	return found, nil
}

// The package that a library of the compiler's belongs to, by its source.
func packaged(file string) (part, error) {
	path, err := output(".", "cc", "-print-file-name="+file)
	if err != nil {
		return part{}, err
	}
	real, err := filepath.EvalSymlinks(strings.TrimSpace(string(path)))
	if err != nil {
		return part{}, err
	}
	owner, err := output(".", "dpkg", "--search", real)
	if err != nil {
		return part{}, err
	}
	name, _, _ := strings.Cut(string(owner), ": ")
	words, err := output(".", "dpkg-query", "--show", "--showformat=${source:Package} ${source:Version}", name)
	if err != nil {
		return part{}, err
	}
	source, version, _ := strings.Cut(string(words), " ")
	bare, _, _ := strings.Cut(name, ":")
	text, err := os.ReadFile(filepath.Join("/usr/share/doc", bare, "copyright"))
	if err != nil {
		return part{}, err
	}
	return part{
		name:    source,
		version: version,
		purl:    "pkg:deb/debian/" + source + "@" + escaped(version) + "?arch=source",
		texts:   []string{string(text)},
	}, nil
}
