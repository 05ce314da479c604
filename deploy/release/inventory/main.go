// Command inventory lists what a tailport binary is made of: as a CycloneDX software
// bill of materials, and as the licence texts that must go with the binary.
//
// The Go modules are those that the binary itself names, the crates those that cargo
// builds into it; beside them stand the two languages' libraries and what the C
// compiler links in. Texts come from the registries' caches and from the system. A
// part without a licence text is an error: nothing is shipped on a guess.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A part of the binary.
type part struct {
	name, version string
	purl          string
	licence       string   // SPDX expression
	sha256        string   // of what the registry serves, in hexadecimal; "" where none is pinned
	texts         []string // licences and notices, whole
}

// escaped is a version as a package URL has it.
func escaped(version string) string { return strings.ReplaceAll(version, "+", "%2B") }

func main() {
	top := flag.String("top", ".", "the top of the repository")
	binary := flag.String("binary", "", "the program to list")
	target := flag.String("target", "", "the target that cargo built it for")
	version := flag.String("version", "", "the program's version")
	epoch := flag.Int64("epoch", 0, "the time of the release, in seconds since 1970")
	bom := flag.String("bom", "", "where the bill of materials goes")
	licences := flag.String("licences", "", "where the licence texts go")
	flag.Parse()
	err := run(*top, *binary, *target, *version, time.Unix(*epoch, 0).UTC(), *bom, *licences)
	if err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(top, binary, target, version string, at time.Time, bom, licences string) error {
	var parts []part
	for _, list := range []func() ([]part, error){
		func() ([]part, error) { return crates(top, target) },
		func() ([]part, error) { return modules(top, binary) },
		func() ([]part, error) { return system() },
	} {
		found, err := list()
		if err != nil {
			return err
		}
		parts = append(parts, found...)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.purl, b.purl) })
	for _, part := range parts {
		if len(part.texts) == 0 || part.licence == "" {
			return fmt.Errorf("%s has no licence text or no licence; look at it, and teach this program where they are", part.purl)
		}
	}
	if err := writeBOM(bom, binary, version, at, parts); err != nil {
		return err
	}
	return os.WriteFile(licences, texts(parts), 0o644)
}
