package goroutine

import (
	"context"
	"reflect"
	"runtime"
)

// WithName names the task that is submitted with the returned context, in logs and in the report of
// Stop. A task without a name goes by the name of its function. The tasks that it submits itself do
// not inherit the name.
func WithName(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, nameKey{}, name)
}

// Rename names the running task that ctx belongs to, for code that runs others' functions and knows
// better names than theirs. Outside a task it does nothing.
func Rename(ctx context.Context, name string) {
	t, _ := ctx.Value(taskKey{}).(*task)
	if t == nil {
		return
	}
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	if t.exec != nil {
		t.exec.label = name
	}
}

// nameOf is worked out only when somebody wants to read it.
func nameOf(ctx context.Context, pc uintptr) string {
	if name, ok := ctx.Value(nameKey{}).(string); ok {
		return name
	}
	if f := runtime.FuncForPC(pc); f != nil {
		return f.Name()
	}
	return "unknown"
}

func pcOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }
