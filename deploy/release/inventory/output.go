package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeBOM writes the bill of materials. Its only time is the release's, and it has no
// serial number: the same parts give the same bytes.
func writeBOM(path, binary, version string, at time.Time, parts []part) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	whole := sha256.Sum256(program)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: at.Format(time.RFC3339),
		Component: &cdx.Component{
			Type:       cdx.ComponentTypeApplication,
			BOMRef:     "tailport",
			Name:       "tailport",
			Version:    version,
			PackageURL: "pkg:generic/tailport@" + version,
			Licenses:   &cdx.Licenses{{Expression: "MIT OR Apache-2.0"}},
			Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(whole[:])}},
		},
	}
	var components []cdx.Component
	var references []string
	for _, part := range parts {
		component := cdx.Component{
			Type:       cdx.ComponentTypeLibrary,
			BOMRef:     part.purl,
			Name:       part.name,
			Version:    part.version,
			PackageURL: part.purl,
			Licenses:   &cdx.Licenses{{Expression: part.licence}},
		}
		if part.sha256 != "" {
			component.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: part.sha256}}
		}
		components = append(components, component)
		references = append(references, part.purl)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: "tailport", Dependencies: &references}}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// texts puts every licence text down once, below the parts that it came with.
func texts(parts []part) []byte {
	var out bytes.Buffer
	rule := strings.Repeat("=", 78) + "\n"
	fmt.Fprint(&out, "The program tailport contains these works of others:\n\n")
	for _, part := range parts {
		fmt.Fprintf(&out, "  %s %s: %s\n", part.name, part.version, part.licence)
	}
	var order []string
	owners := map[string][]string{}
	for _, part := range parts {
		for _, text := range part.texts {
			text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
			if owners[text] == nil {
				order = append(order, text)
			}
			if owner := part.name + " " + part.version; !slices.Contains(owners[text], owner) {
				owners[text] = append(owners[text], owner)
			}
		}
	}
	for _, text := range order {
		fmt.Fprintf(&out, "\n%s%s\n%s\n%s\n", rule, strings.Join(owners[text], "\n"), rule, text)
	}
	return out.Bytes()
}
