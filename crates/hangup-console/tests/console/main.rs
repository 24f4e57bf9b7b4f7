//! A console, asked by clients of all kinds.

mod world;
mod closed;
mod refusals;
mod page;
mod views;
mod ends;
mod past;
mod streams;
mod mounted;
