//! Clients of server-sent events: `curl`, as a child process that is killed.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::http::{Late, count, count_becomes, request};
use crate::plan::Plan;
use crate::report::{Ending, Report};
use crate::server::{Server, refuses, signal};

/// Where a server has what.
#[derive(Debug, Clone, Copy)]
pub struct Routes {
    /// The stream.
    pub events: &'static str,
    /// Where a text is sent that all streams get.
    pub messages: &'static str,
    /// How many streams are open.
    pub users: &'static str,
}

/// Larger than what the kernel keeps for a client that does not read.
const FILL: [usize; 2] = [48, 256 * 1024];
/// How long one message may take to be accepted.
const PUBLISH: Duration = Duration::from_secs(1);

/// Drives the server at `binary`.
///
/// # Errors
///
/// If the server or a client does not start.
///
/// # Panics
///
/// If the server does not do what every server does, such as to answer.
pub async fn drive(binary: &Path, routes: Routes, plan: Plan) -> io::Result<Report> {
    let mut server = Server::start(binary, plan.drain).await?;
    let addr = server.addr;
    let users = || count(addr, routes.users);

    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn(come_and_vanish(addr, routes, plan, number));
    }
    clients
        .join_all()
        .await
        .into_iter()
        .collect::<io::Result<()>>()?;
    let mut left = count_becomes(0, plan.gone, users).await;
    // Once more, with clients that have certainly connected: the first look may have been at the
    // moment at which the server cleans up.
    if left == 0 {
        let mut dice = plan.dice(plan.clients);
        for curl in connect(addr, routes, plan.readers).await? {
            sleep(dice.life()).await;
            curl.kill()?;
        }
        left = count_becomes(0, plan.gone, users).await;
    }

    let readers = connect(addr, routes, plan.readers).await?;
    let [stopped] = connect(addr, routes, 1).await?.try_into().unwrap();
    let counted = count_becomes(plan.everyone(), plan.gone, users).await;
    stopped.stop();
    let [messages, size] = FILL;
    let text = "x".repeat(size);
    for _ in 0..messages {
        // A server that waits for the slowest client answers no more.
        let sent = timeout(PUBLISH, publish(addr, routes, &text)).await;
        if sent.is_err() {
            break;
        }
    }
    server.is_stalled().await;

    let late = Late::begin(addr, "GET", routes.events, "", "").await?;
    let endings = || readers.iter().map(Curl::ending).collect::<Vec<_>>();
    let mut terminated = server.terminate();
    terminated.under_way(&endings, refuses(addr)).await;
    let late = late.finish(200, terminated.deadline).await;
    let exit = terminated.exit().await?;
    let endings = terminated.endings(endings).await;
    Ok(Report {
        left,
        counted,
        exit,
        endings,
        late,
    })
}

/// One client after the other, each killed at a random moment.
async fn come_and_vanish(
    addr: SocketAddr,
    routes: Routes,
    plan: Plan,
    number: u64,
) -> io::Result<()> {
    let mut dice = plan.dice(number);
    for life in 0..plan.lives {
        let curl = Curl::start(addr, routes.events, &[])?;
        sleep(dice.life()).await;
        curl.kill()?;
        if number == life {
            publish(addr, routes, "hello").await?;
        }
    }
    Ok(())
}

async fn publish(addr: SocketAddr, routes: Routes, text: &str) -> io::Result<()> {
    let headers = "content-type: text/plain\r\n";
    request(addr, "POST", routes.messages, headers, text).await?;
    Ok(())
}

/// So many clients whose streams are open.
async fn connect(addr: SocketAddr, routes: Routes, clients: usize) -> io::Result<Vec<Curl>> {
    let mut curls = Vec::new();
    for _ in 0..clients {
        let curl = Curl::start(addr, routes.events, &[])?;
        curl.is_open().await;
        curls.push(curl);
    }
    Ok(curls)
}

/// A `curl` that reads a stream. It is killed when this is dropped.
#[derive(Debug)]
pub struct Curl {
    child: Mutex<Child>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The head of the answer is complete. Its status is 200.
    open: bool,
    /// The event `closed`.
    goodbye: bool,
    /// There is no more.
    all: bool,
}

impl Curl {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If there is no `curl`.
    pub fn start(addr: SocketAddr, path: &str, options: &[&str]) -> io::Result<Self> {
        let mut child = Command::new("curl")
            // It writes the head at once only to its log.
            .args(["--silent", "--no-buffer", "--verbose"])
            .args(options)
            .arg(format!("http://{addr}{path}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (body, log) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        tokio::spawn(read_log(log, Arc::clone(&seen)));
        tokio::spawn(read(body, Arc::clone(&seen)));
        Ok(Self {
            child: Mutex::new(child),
            seen,
        })
    }

    /// Waits until the stream is open.
    ///
    /// # Panics
    ///
    /// If it is not soon.
    pub async fn is_open(&self) {
        let open = async {
            while !self.seen.lock().unwrap().open {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Plan::SOON, open).await.expect("the stream opens");
    }

    /// Stops it as Ctrl-Z does: it reads no more.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn stop(&self) {
        signal(&self.child.lock().unwrap(), Signal::STOP);
    }

    /// How its stream ended.
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn ending(&self) -> Ending {
        let Seen { goodbye, all, .. } = *self.seen.lock().unwrap();
        let status = self.child.lock().unwrap().try_wait().unwrap();
        match status {
            Some(_) if all && goodbye => Ending::Goodbye,
            Some(status) if all && status.success() => Ending::Complete,
            Some(_) if all => Ending::Cut,
            _ => Ending::Open,
        }
    }

    /// Kills it.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn kill(self) -> io::Result<()> {
        self.child.into_inner().unwrap().start_kill()
    }
}

async fn read(body: ChildStdout, seen: Arc<Mutex<Seen>>) {
    let mut body = BufReader::new(body);
    let mut line = Vec::new();
    // An error is an end as well.
    while body.read_until(b'\n', &mut line).await.is_ok_and(|n| n > 0) {
        let event = line.strip_prefix(b"event:").map(<[u8]>::trim_ascii);
        seen.lock().unwrap().goodbye |= event == Some(b"closed");
        line.clear();
    }
    seen.lock().unwrap().all = true;
}

async fn read_log(log: ChildStderr, seen: Arc<Mutex<Seen>>) {
    let mut log = BufReader::new(log).lines();
    let mut is_ok = false;
    // An error is an end as well.
    while let Ok(Some(line)) = log.next_line().await {
        is_ok |= line.starts_with("< HTTP/1.1 200 ");
        seen.lock().unwrap().open |= is_ok && line.trim_end() == "<";
    }
}
