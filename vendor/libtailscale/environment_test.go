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

func TestAVariableThatIsUnsetIsGoneForTheLibrary(t *testing.T) {
	t.Setenv("TS_AUTHKEY", "secret")
	t.Setenv("TSNET_FORCE_LOGIN", "1")
	err := environment{
		Unset: []string{"TS_AUTHKEY", "TSNET_FORCE_LOGIN"},
		Set:   map[string]string{"TS_USE_CACHED_NETMAP": "false"},
	}.apply()
	if err != nil {
		t.Fatal(err)
	}
	if _, set := os.LookupEnv("TS_AUTHKEY"); set || envknob.Bool("TSNET_FORCE_LOGIN") {
		t.Error("what was unset is still seen")
	}
	if envknob.BoolDefaultTrue("TS_USE_CACHED_NETMAP") {
		t.Error("what was set is not seen")
	}
}

func TestLogUploadIsOffUnlessAskedFor(t *testing.T) {
	for _, asked := range []bool{true, false} {
		if err := (environment{LogUpload: asked}).apply(); err != nil {
			t.Fatal(err)
		}
		if off := envknob.NoLogsNoSupport(); off == asked {
			t.Errorf("upload asked for: %v, switched off: %v", asked, off)
		}
	}
}
