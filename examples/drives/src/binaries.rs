//! The binaries of the example servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The packages of the servers. They are built in one go, so that their dependencies are built
/// once, with the same features.
const SERVERS: [&str; 5] = [
    "actix-sse",
    "axum-sse-chat",
    "axum-ws-chat",
    "rmcp-server",
    "tonic-streaming",
];

/// Builds the servers if need be, and returns the path of the binary `name`.
///
/// # Panics
///
/// If they do not build, or there is no such binary.
pub fn build(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--locked",
        "--quiet",
        "--bins",
        "--message-format=json",
    ]);
    cargo.arg("--manifest-path").arg(manifest);
    cargo.args(SERVERS.iter().flat_map(|package| ["-p", package]));
    let output = cargo
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the servers do not build");
    output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(message["executable"].as_str()?.into()))
        .unwrap_or_else(|| panic!("no binary {name}"))
}
