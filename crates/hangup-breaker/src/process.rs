//! A server as a child process, which is ended by its id on every path.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure::Failure;

/// How long a server may take until it says that it is ready.
const START: Duration = Duration::from_secs(30);

/// A process that runs. It is killed when this is dropped, also if it is stopped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    /// Read what it prints, also so that it can go on printing.
    _readers: JoinSet<()>,
}

impl Process {
    /// Starts `binary`, and waits for the line of which `ready` makes something.
    ///
    /// # Errors
    ///
    /// If it does not start, or says nothing of the kind.
    pub async fn start<T>(
        binary: &Path,
        arguments: &[String],
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T), Failure> {
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let lines = watch::Sender::new(0);
        let mut grown = lines.subscribe();
        let mut readers = JoinSet::new();
        let output = child.stdout.take().expect("it is piped");
        readers.spawn(read(output, Arc::clone(&printed), lines.clone()));
        let errors = child.stderr.take().expect("it is piped");
        readers.spawn(read(errors, Arc::clone(&printed), lines));
        let process = Self {
            child,
            printed,
            _readers: readers,
        };
        let is_ready = async {
            loop {
                let found = process.printed().iter().find_map(|line| ready(line));
                // `Err` when it has closed its outputs.
                if found.is_some() || grown.changed().await.is_err() {
                    break found.or_else(|| process.printed().iter().find_map(|line| ready(line)));
                }
            }
        };
        match timeout(START, is_ready).await {
            Ok(Some(ready)) => Ok((process, ready)),
            Ok(None) => Err(Failure::Unexpected(format!(
                "{} {}: {}",
                binary.display(),
                arguments.join(" "),
                process.printed().join("\n"),
            ))),
            Err(_) => {
                let what = format!("{} is ready", binary.display());
                Err(Failure::overdue(what, START))
            }
        }
    }

    /// The lines that it has printed up to now, to both outputs.
    #[must_use]
    pub fn printed(&self) -> Vec<String> {
        let printed = self.printed.lock();
        printed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Stops it with SIGSTOP: it keeps its connections, and is silent.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn stop(&self) -> Result<(), Failure> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn go_on(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end, with SIGTERM.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn terminate(&self) -> Result<(), Failure> {
        self.signal(Signal::TERM)
    }

    /// Waits until it has ended, at most for `at_most`.
    ///
    /// # Errors
    ///
    /// If it has not ended then.
    pub async fn ended(&mut self, at_most: Duration) -> Result<ExitStatus, Failure> {
        match timeout(at_most, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(Failure::overdue("the process has ended", at_most)),
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        // It is not reused: a child that was not waited for keeps it.
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        let Some(id) = id else {
            return Err(Failure::Unexpected("the process has ended".to_owned()));
        };
        Ok(kill_process(id, signal).map_err(std::io::Error::from)?)
    }
}

async fn read(
    output: impl AsyncRead + Unpin,
    printed: Arc<Mutex<Vec<String>>>,
    lines: watch::Sender<usize>,
) {
    let mut read = BufReader::new(output).lines();
    // An error is an end as well.
    while let Ok(Some(line)) = read.next_line().await {
        let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.push(line);
        lines.send_replace(printed.len());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::Process;
    use crate::failure::Failure;

    const SOON: Duration = Duration::from_secs(20);

    async fn shell(script: &str) -> Result<(Process, u16), Failure> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let ready = |line: &str| line.strip_prefix("ready ")?.parse().ok();
        Process::start(Path::new("/bin/sh"), &arguments, ready).await
    }

    /// The state of a process, by its letter.
    fn state(process: &Process) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.child.id()?)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    #[tokio::test]
    async fn it_is_ready_when_it_says_so_and_ends_when_it_is_asked() {
        let script = "echo first; echo ready 7; trap 'exit 3' TERM; while :; do sleep 0.01; done";
        let (mut process, ready) = shell(script).await.unwrap();
        assert_eq!(ready, 7);
        assert_eq!(process.printed(), ["first", "ready 7"]);
        // The trap may not be set yet.
        process.terminate().unwrap();
        assert!(!process.ended(SOON).await.unwrap().success());
        assert!(process.terminate().is_err());
    }

    #[tokio::test]
    async fn one_that_ends_before_is_told_with_what_it_printed() {
        let failure = shell("echo no such engine >&2; exit 1").await.unwrap_err();
        assert!(failure.to_string().contains("no such engine"), "{failure}");
    }

    #[tokio::test]
    async fn one_that_is_stopped_goes_on_and_is_killed() {
        let (mut process, _) = shell("echo ready 1; while :; do sleep 0.01; done")
            .await
            .unwrap();
        process.stop().unwrap();
        while state(&process) != Some('T') {
            tokio::task::yield_now().await;
        }
        process.go_on().unwrap();
        while state(&process) == Some('T') {
            tokio::task::yield_now().await;
        }
        process.stop().unwrap();
        process.kill().await.unwrap();
        assert_eq!(state(&process), None);
    }
}
