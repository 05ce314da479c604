package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLicencesAreToldApartAcrossLineBreaks(t *testing.T) {
	bsd := "Redistribution and use in\n    source and binary forms, with or without\n"
	for _, c := range []struct{ text, want string }{
		{"                 Apache License\n           Version 2.0, January 2004", "Apache-2.0"},
		{bsd, "BSD-2-Clause"},
		{bsd + "may not be used to endorse or\n    promote products derived", "BSD-3-Clause"},
		{"Permission is hereby granted, free of\ncharge, to any person", "MIT"},
		{bsd + "Permission is hereby granted, free of charge", "BSD-2-Clause AND MIT"},
		{"All rights reserved.", ""},
	} {
		if got := licence([]string{c.text}); got != c.want {
			t.Errorf("%q is %q, not %q", c.text, got, c.want)
		}
	}
}

func TestACrateWithoutAChecksumTakesNobodyElses(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "Cargo.lock")
	text := "[[package]]\nname = \"one\"\nversion = \"1.0.0\"\nchecksum = \"aa\"\n\n[[package]]\nname = \"own\"\nversion = \"2.0.0\"\n"
	if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pinned, err := checksums(lock)
	if err != nil {
		t.Fatal(err)
	}
	if len(pinned) != 1 || pinned["one 1.0.0"] != "aa" {
		t.Errorf("pinned are %v", pinned)
	}
}

func TestATextOfSeveralPartsIsPrintedOnce(t *testing.T) {
	parts := []part{
		{name: "one", version: "1", licence: "MIT", texts: []string{"words\r\nmore\n"}},
		{name: "two", version: "2", licence: "MIT", texts: []string{"words\nmore", "others"}},
	}
	printed := string(texts(parts))
	if strings.Count(printed, "words") != 1 || !strings.Contains(printed, "one 1\ntwo 2\n") {
		t.Errorf("printed is\n%s", printed)
	}
}

func TestLicencesAndNoticesAreFoundAndSourcesAreNot(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"COPYING", "LICENSE-MIT", "NOTICE.txt", "PATENTS", "UNLICENSE", "README.md", "license_test.go", "copyright.rs"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := textsIn(folder)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found, " "); got != "COPYING LICENSE-MIT NOTICE.txt PATENTS UNLICENSE" {
		t.Errorf("found are %s", got)
	}
}
