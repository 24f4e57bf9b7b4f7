//! A server process on loopback, with files of its own.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it is ready.
const START: Duration = Duration::from_secs(60);

/// A process in a directory of its own, which is killed and removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    dir: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A directory, and no process yet.
    pub(crate) fn new(name: &str) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let dir = env::temp_dir().join(format!("hangup-{name}-{id}-{number}"));
        fs::create_dir_all(&dir).expect("a directory for the server");
        Self { dir, child: None }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts `command`, and waits until it has logged `ready`. If it ends before, this returns
    /// what it logged.
    pub(crate) fn spawn(&mut self, command: &mut Command, ready: &str) -> Result<(), String> {
        assert!(self.child.is_none(), "the server runs");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (tell, told) = mpsc::channel();
        watch(child.stdout.take().expect("it is piped"), ready, &tell);
        watch(child.stderr.take().expect("it is piped"), ready, &tell);
        drop(tell);
        // From here on, it is killed when this is dropped.
        self.child = Some(child);
        let mut logs = Vec::new();
        loop {
            match told.recv_timeout(START) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(log)) => logs.push(log),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    logs.push("it is not ready in time".to_owned());
                    break;
                }
            }
        }
        self.kill();
        Err(logs.join("\n"))
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("a server that runs");
        child.kill().expect("a server that is killed");
        child.wait().expect("a server that ends");
    }

    /// Removes all its files.
    pub(crate) fn wipe(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        fs::remove_dir_all(&self.dir).expect("files that can be removed");
        fs::create_dir_all(&self.dir).expect("a directory for the server");
    }

    /// Stops it with SIGSTOP, and returns when all its threads stand still.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.id());
        let begun = Instant::now();
        // Nothing tells when a thread has got the signal.
        while !stand_still(&tasks).expect("the threads of the server") {
            assert!(begun.elapsed() < START, "the server does not stop");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets it go on after [`stop`](Self::stop).
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("a server that runs").id()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.id())])
            .status();
        assert!(sent.expect("a shell").success(), "SIG{name} is sent");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn stand_still(tasks: &str) -> io::Result<bool> {
    for task in fs::read_dir(tasks)? {
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else {
            // It has ended.
            continue;
        };
        // The state comes after the name, which is in brackets and may have any character.
        if !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads what a server logs, as long as it lives, and tells once it is ready, and the last of what
/// it logged when it ends.
fn watch(log: impl Read + Send + 'static, ready: &str, tell: &mpsc::Sender<Result<(), String>>) {
    let (ready, tell) = (ready.to_owned(), tell.clone());
    thread::spawn(move || {
        let mut last = VecDeque::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(&ready) {
                let _ = tell.send(Ok(()));
            }
            last.push_back(line);
            if last.len() > 20 {
                last.pop_front();
            }
        }
        let _ = tell.send(Err(Vec::from(last).join("\n")));
    });
}

/// A port that was free a moment ago. It is none of those that the system gives to connections:
/// one of them would take it while the server is killed, or before it has begun.
pub(crate) fn free_port() -> u16 {
    let free = (0..1000).find_map(|attempt: u32| {
        let random = RandomState::new().hash_one(attempt) % 20_000;
        let port = 10_000 + u16::try_from(random).expect("it is below 20,000");
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    });
    free.expect("a free port")
}

/// Whether there is such a program.
pub(crate) fn runs(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}
