//! What `hangup` costs, beside what people use today: the benches of this package.
//!
//! `README.md` beside this file says what is measured, and how. What several of them measure is
//! here.

pub mod audience;
