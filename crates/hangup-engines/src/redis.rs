//! A Redis or Valkey server.

use std::env;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::process::{Process, free_port, runs};

/// Names the server that is tested, for example a `valkey-server`. Without it, it is the
/// `redis-server` of the path, which is installed if there is none.
pub const SERVER_VARIABLE: &str = "HANGUP_REDIS_SERVER";

/// What a server keeps when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// That of a server without a configuration: it saves now and then, which no test lives to
    /// see. What was written is lost.
    Default,
    /// `appendonly yes` and `appendfsync always`: all that was acknowledged.
    Always,
}

/// A server in a directory of its own, which is killed and removed when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If there is no server and none can be installed, or it does not start.
    #[must_use]
    pub fn start(persistence: Persistence) -> Self {
        Self::start_with(persistence, &[])
    }

    /// Starts a server with more options, as on its command line.
    ///
    /// # Panics
    ///
    /// If there is no server and none can be installed, or it does not start.
    #[must_use]
    pub fn start_with(persistence: Persistence, options: &[&str]) -> Self {
        let mut arguments: Vec<_> = options.iter().map(ToString::to_string).collect();
        if persistence == Persistence::Always {
            let always = ["--appendonly", "yes", "--appendfsync", "always"];
            arguments.extend(always.map(String::from));
        }
        let mut server = Self {
            process: Process::new("redis"),
            port: 0,
            arguments,
        };
        // Another process may take the port before the server has it.
        let started = (0..5).find_map(|_| {
            server.port = free_port();
            server.spawn().map_err(|log| eprintln!("{log}")).ok()
        });
        started.expect("a server that starts");
        server
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[must_use]
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.addr())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and with the same options and
    /// files.
    ///
    /// # Panics
    ///
    /// If it runs already, or does not start.
    pub fn restart(&mut self) {
        if let Err(log) = self.spawn() {
            panic!("the server does not start again: {log}");
        }
    }

    /// Removes all its files. It must not run.
    ///
    /// # Panics
    ///
    /// If it runs.
    pub fn wipe(&mut self) {
        self.process.wipe();
    }

    /// Stops it with SIGSTOP: it keeps its connections, and is silent.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn go_on(&self) {
        self.process.go_on();
    }

    fn spawn(&mut self) -> Result<(), String> {
        let mut command = Command::new(program());
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--dir".as_ref(), self.process.dir().as_os_str()])
            .args(&self.arguments);
        self.process
            .spawn(&mut command, "Ready to accept connections")
    }
}

fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
            let name = "redis-server";
            if !runs(name) {
                install(name);
            }
            assert!(runs(name), "there is no {name}, and it cannot be installed");
            name.to_owned()
        })
    })
}

/// From Debian. Tests of several processes may do so at once.
fn install(package: &str) {
    for arguments in [&["update", "-qq"][..], &["install", "-qqy", package]] {
        let done = Command::new("timeout")
            .args(["600", "apt-get", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status();
        eprintln!("apt-get {arguments:?}: {done:?}");
    }
}
