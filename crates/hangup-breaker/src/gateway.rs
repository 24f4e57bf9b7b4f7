//! The server under test: the gateway of the examples, or another one with its routes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::failure::Failure;

/// Builds the gateway if need be, as the breaker itself was built, and returns the path of its
/// binary.
///
/// # Errors
///
/// If it does not build.
pub async fn build() -> Result<PathBuf, Failure> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--locked",
        "--quiet",
        "-p",
        "gateway",
        "--features=cluster",
    ]);
    cargo.args(["--message-format=json", "--manifest-path"]);
    cargo.arg(manifest);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).kill_on_drop(true).output();
    let messages = output.await?.stdout;
    let mut messages = messages
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "gateway");
    let binary = messages.find_map(|message| Some(message["executable"].as_str()?.into()));
    binary.ok_or_else(|| Failure::Unexpected("the gateway does not build".to_owned()))
}
