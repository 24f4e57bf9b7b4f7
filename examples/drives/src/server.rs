//! A server as a child process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::kernel::unsent;
use crate::plan::Plan;
use crate::report::{Ending, Exit};

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Reads what the server prints, also so that it can go on printing.
    printed: JoinHandle<Vec<String>>,
    /// Where it listens.
    pub addr: SocketAddr,
    drain: Duration,
}

impl Server {
    /// Starts `binary` on a free port, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not start, or does not say within some time that it listens.
    pub async fn start(binary: &Path, drain: Duration) -> io::Result<Self> {
        Self::start_with(binary, drain, &[]).await
    }

    /// [`start`](Self::start), with `settings` in its environment.
    ///
    /// # Errors
    ///
    /// As `start`.
    pub async fn start_with(
        binary: &Path,
        drain: Duration,
        settings: &[(&str, u64)],
    ) -> io::Result<Self> {
        let settings = settings.iter().map(|(name, it)| (name, it.to_string()));
        let mut child = Command::new(binary)
            .arg("0")
            .env("DRAIN_MS", drain.as_millis().to_string())
            .envs(settings)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(Plan::SOON, lines.next_line()).await??;
        let first = first.unwrap_or_default();
        let addr = first
            .strip_prefix("listening on ")
            .and_then(|addr| addr.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no address in its first line: {first:?}")))?;
        Ok(Self {
            child,
            printed: tokio::spawn(read(lines)),
            addr,
            drain,
        })
    }

    /// The lines that it has printed after the first one, when it has ended.
    ///
    /// # Panics
    ///
    /// If it does not end soon.
    pub async fn printed(self) -> Vec<String> {
        let printed = timeout(Plan::SOON, self.printed).await;
        printed.expect("the server has ended").unwrap()
    }

    /// Waits until a client that has stopped reading makes the server wait: the kernel holds bytes
    /// for it, and they get neither more nor less.
    ///
    /// # Panics
    ///
    /// If it does not happen soon.
    pub async fn is_stalled(&self) {
        let stalled = async {
            let mut before = 0;
            let mut same = 0;
            while same < 5 {
                sleep(Duration::from_millis(20)).await;
                let held = unsent(self.addr).await;
                let is_same = held > 0 && held == before;
                same = if is_same { same + 1 } else { 0 };
                before = held;
            }
        };
        timeout(Plan::SOON, stalled).await.expect("a client stalls");
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    ///
    /// If the server has ended by itself.
    pub fn terminate(&mut self) -> Terminated<'_> {
        let begun = Instant::now();
        signal(&self.child, Signal::TERM);
        Terminated {
            begun,
            deadline: begun + self.drain + Plan::SLACK,
            server: self,
        }
    }
}

async fn read(mut lines: Lines<BufReader<ChildStdout>>) -> Vec<String> {
    let mut printed = Vec::new();
    // An error is an end as well.
    while let Ok(Some(line)) = lines.next_line().await {
        printed.push(line);
    }
    printed
}

/// Waits until a new connection to `addr` is refused.
pub async fn refuses(addr: SocketAddr) {
    while TcpStream::connect(addr).await.is_ok() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends `signal` to `child`.
///
/// # Panics
///
/// If it has ended.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let id = child.id().expect("it has not been waited for");
    let pid = Pid::from_raw(id.cast_signed()).unwrap();
    kill_process(pid, signal).expect("it has not ended");
}

/// A server that was sent SIGTERM.
#[derive(Debug)]
pub struct Terminated<'a> {
    server: &'a mut Server,
    begun: Instant,
    /// When it is to have exited.
    pub deadline: Instant,
}

impl Terminated<'_> {
    /// Waits until its shutdown is under way: a stream has ended, as `endings` tells, or `sign`
    /// is ready.
    ///
    /// # Panics
    ///
    /// If it has not begun by the deadline.
    pub async fn under_way(
        &self,
        endings: &impl Fn() -> Vec<Ending>,
        sign: impl Future<Output = ()>,
    ) {
        let ended = async {
            while endings().iter().all(|ending| *ending == Ending::Open) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout_at(self.deadline, async {
            tokio::select! {
                () = ended => {}
                () = sign => {}
            }
        });
        waited.await.expect("SIGTERM has had no effect");
    }

    /// How the streams ended, by its deadline.
    pub async fn endings(&self, endings: impl Fn() -> Vec<Ending>) -> Vec<Ending> {
        loop {
            let endings = endings();
            let all = endings.iter().all(|ending| *ending != Ending::Open);
            if all || Instant::now() >= self.deadline {
                return endings;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it has exited, or its deadline.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub async fn exit(&mut self) -> io::Result<Exit> {
        match timeout_at(self.deadline, self.server.child.wait()).await {
            Ok(status) => Ok(match status? {
                status if status.success() => Exit::After(self.begun.elapsed()),
                status => Exit::Failed(status),
            }),
            Err(_) => Ok(Exit::Overdue),
        }
    }
}
