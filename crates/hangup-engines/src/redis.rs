//! A Redis or Valkey server.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Names the server that is tested, for example a `valkey-server`. Without it, it is the
/// `redis-server` of the path, which is installed if there is none.
pub const SERVER_VARIABLE: &str = "HANGUP_REDIS_SERVER";

/// How long a server may take until it accepts connections.
const START: Duration = Duration::from_secs(60);

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
    dir: PathBuf,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
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
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("hangup-redis-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory for the server");
        let mut arguments: Vec<_> = options.iter().map(ToString::to_string).collect();
        if persistence == Persistence::Always {
            let always = ["--appendonly", "yes", "--appendfsync", "always"];
            arguments.extend(always.map(String::from));
        }
        let mut server = Self {
            dir,
            port: 0,
            arguments,
            child: None,
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
        let mut child = self.child.take().expect("a server that runs");
        child.kill().expect("a server that is killed");
        child.wait().expect("a server that ends");
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and with the same options and
    /// files.
    ///
    /// # Panics
    ///
    /// If it runs already, or does not start.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the server runs");
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
        assert!(self.child.is_none(), "the server runs");
        fs::remove_dir_all(&self.dir).expect("files that can be removed");
        fs::create_dir_all(&self.dir).expect("a directory for the server");
    }

    /// Stops it with SIGSTOP: it keeps its connections, and is silent.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("a server that runs");
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", child.id())])
            .status();
        assert!(sent.expect("a shell").success(), "SIG{name} is sent");
    }

    /// Starts the process, and waits until it accepts connections. If it ends before, this
    /// returns what it logged.
    fn spawn(&mut self) -> Result<(), String> {
        let mut child = Command::new(program())
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--dir".as_ref(), self.dir.as_os_str()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let ready = watch(child.stdout.take().expect("it is piped"));
        // From here on, it is killed when this is dropped.
        self.child = Some(child);
        match ready.recv_timeout(START) {
            Ok(Ok(())) => Ok(()),
            told => {
                self.kill();
                Err(match told {
                    Ok(Err(log)) => log,
                    _ => "it is not ready in time".to_owned(),
                })
            }
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Reads what a server logs, as long as it lives, and tells once it is ready, or else the last
/// of what it logged.
fn watch(stdout: ChildStdout) -> mpsc::Receiver<Result<(), String>> {
    let (tell, ready) = mpsc::channel();
    thread::spawn(move || {
        let mut last = VecDeque::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains("Ready to accept connections") {
                let _ = tell.send(Ok(()));
            }
            last.push_back(line);
            if last.len() > 20 {
                last.pop_front();
            }
        }
        let _ = tell.send(Err(Vec::from(last).join("\n")));
    });
    ready
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
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

fn runs(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
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
