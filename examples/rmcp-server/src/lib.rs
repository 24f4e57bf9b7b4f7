//! [`sessions`] is made to be copied: sessions of rmcp that are connections. The server
//! `rmcp-server-sessions` has them; the two others show what the streams alone take.

pub mod sessions;
