//! One file for each crate. Each finding of the kit has a test without the kit beside it.

// Bottom-up: a module imports from the modules above it only.
mod idle;
mod stage;
mod feed;
mod polling;

mod async_graphql;
mod channels;
mod engineioxide;
mod ezsockets;
mod fhtmx_axum;
mod jsonrpsee;
mod kameo;
mod ractor;
mod rmcp;
mod salvo;
mod socketioxide;
mod sse;
mod tarpc;
mod tokio_util;
mod tonic_health;
mod tower;
mod tower_livereload;
mod tower_mcp;
mod yrs_axum;
mod axum_serve;
