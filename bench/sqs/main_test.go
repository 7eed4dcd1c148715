package rig

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main() // the test binary is the server and the clients too
	goleak.VerifyTestMain(m)
}
