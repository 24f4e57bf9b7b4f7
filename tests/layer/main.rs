//! The layer: which requests have a connection, what they are answered, and that nothing is left.

mod world;

mod goodbyes;
mod admission;
mod before_the_answer;
mod handlers;
mod mixed;
mod frameworks;
