//! Claims of two nodes, at every order in which their calls can reach the engine, and with every
//! fault that an engine may have. The races have the names of the design.

mod world;
mod scheduled;
mod explore;
mod resource;
mod setting;

mod order;
mod answers;
mod lapse;
mod steps;
mod order_of_ends;
mod over;
mod ghosts;
mod presence;
mod soak;
