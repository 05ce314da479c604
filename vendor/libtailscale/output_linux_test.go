package main

import (
	"log"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNothingIsWrittenToStandardOutputOrError(t *testing.T) {
	tn := newTailnet(t)
	written := filepath.Join(t.TempDir(), "written")
	file, err := os.Create(written)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var kept [2]int
	for i := range kept {
		if kept[i], err = unix.Dup(i + 1); err != nil {
			t.Fatal(err)
		}
		unix.Dup3(int(file.Fd()), i+1, 0)
	}
	node := tn.node(t, nodeConfig{})
	log.Print("from the standard logger")
	node.shut(t)
	for i, fd := range kept {
		unix.Dup3(fd, i+1, 0)
		unix.Close(fd)
	}
	if text, err := os.ReadFile(written); err != nil || len(text) > 0 {
		t.Errorf("written: %q, %v", text, err)
	}
}
