//! What is off by default.
//!
//! A scope that was built with nothing admits everything, for as long as it likes. Each of these
//! is a line; what a server that faces the internet wants has a star.
//!
//! | off | what happens without it | on |
//! |---|---|---|
//! | a cap \* | any number of connections | [`ScopeBuilder::max_connections`](crate::ScopeBuilder::max_connections) |
//! | a cap under a key | it is part of the conflict rule | [`Conflict::Share`](crate::Conflict::Share) |
//! | a deadline of the set-up \* | a set-up may hang in an `await` | [`Deadlines::setup`](crate::Deadlines::setup) |
//! | a deadline of readers that stop \* | a client that does not read keeps its place | [`Deadlines::stall`](crate::Deadlines::stall) of a stream; for a loop, `idle` with pings |
//! | a deadline of idle peers | a peer that says nothing keeps its place | [`Deadlines::idle`](crate::Deadlines::idle), [`Live::touch`](crate::Live::touch) |
//! | a greatest age | a stream lives as long as its client | [`Deadlines::max_age`](crate::Deadlines::max_age) |
//! | a deadline of undos \* | an asynchronous undo may hang, until a drain gives it up | [`Deadlines::undo`](crate::Deadlines::undo) |
//! | a bound on undos that run at once | a burst of closes runs all of them | [`ScopeBuilder::max_running_undos`](crate::ScopeBuilder::max_running_undos) |
//! | heartbeats \* | a client that vanished on a quiet stream is noticed when the kernel gives up, by some servers not even then | [`LiveStream::heartbeat`](crate::LiveStream::heartbeat), `layer::Admit::heartbeat` |
//! | the flush | what was accepted and not yet sent is dropped at the close | [`LiveStream::flush`](crate::LiveStream::flush) |
//! | a farewell of a stream | it just ends; the layer has one | [`LiveStream::farewell`](crate::LiveStream::farewell) |
//! | an observer | no log | [`ScopeBuilder::observer`](crate::ScopeBuilder::observer) |
//! | a bound on the server at a shutdown \* | a client that does not read keeps the process | [`Scope::serve`](crate::Scope::serve) |
