//! The tokio adapter: what needs a runtime, on the public API of the core.

mod abort_on;
