//! Whole servers over pipes: what the kit finds in them, and that it finds nothing in correct
//! ones.

mod app;
mod endings;
mod sse;
mod websocket;
mod grpc;
mod plain;
mod graceful;
