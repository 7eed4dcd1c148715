// Package ops shows a running app.
package ops
