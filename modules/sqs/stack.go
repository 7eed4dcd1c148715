package sqs

import "runtime"

// deepen grows the stack of a new goroutine in one step to what a call of the SDK needs. Left to itself
// the runtime doubles it several times, each time in the depth of the SDK's middlewares, where a copy
// has dozens of frames to move: a tenth of a busy consumer's processor time. Its argument is false: the
// function's frame is what counts, and nothing need be written to it.
//
//go:noinline
func deepen(touch bool) {
	if touch {
		var room [callDepth]byte
		runtime.KeepAlive(&room)
	}
}

// callDepth makes the stack 32 KiB: a request takes more than 16.
const callDepth = 17 << 10
