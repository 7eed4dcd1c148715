// Package events compares modules/events with what a user would pick instead:
// Watermill's CQRS event bus, asaskevich/EventBus, and plain Go.
//
//	go test ./events -bench . -benchmem
package events
