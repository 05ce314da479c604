package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"tailscale.com/envknob"
)

// TestAKnobThatCannotBeReadIsABadConfiguration starts this program anew, whose
// library meets the first knob while it is loaded, and the second one later.
func TestAKnobThatCannotBeReadIsABadConfiguration(t *testing.T) {
	const later = "TS_PANIC_IF_HIT_MAIN_CONTROL"
	if os.Getenv(later) != "" {
		envknob.Bool(later)
		t.Fatal("the knob was read")
	}
	for _, name := range []string{"TS_DEBUG_DISCO", later} {
		self := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		self.Env = append(os.Environ(), name+"=perhaps")
		said, err := self.CombinedOutput()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 64 {
			t.Errorf("%s: ended with %v", name, err)
		}
		want := `ERROR {"detail":"invalid boolean environment variable ` + name + ` value \"perhaps\"","kind":"usage"}` + "\n"
		if string(said) != want {
			t.Errorf("said %s", said)
		}
	}
}
