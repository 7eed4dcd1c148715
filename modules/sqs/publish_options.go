package sqs

// WithObjectStore sets where long bodies go to and come from. Default: none, and a message longer than
// SQS takes is an error.
func WithObjectStore(store ObjectStore) Option { return func(o *options) { o.store = store } }

// WithTopics lets routes name SNS topics. Default: a route to a topic is an error.
func WithTopics(c Carrier) Option { return func(o *options) { o.topics = c } }

// WithBuses lets routes name EventBridge buses. Default: a route to a bus is an error.
func WithBuses(c Carrier) Option { return func(o *options) { o.buses = c } }
