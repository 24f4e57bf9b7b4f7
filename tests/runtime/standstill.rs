//! A process that is stopped, and goes on.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hangup::{CloseReason, Deadlines, Scope};
use tokio::time::{interval, sleep as pause};

use crate::bounded::bounded;
use crate::world::runtime;

const PEERS: usize = 100;
const IDLE: Duration = Duration::from_secs(1);
const TOUCH_EVERY: Duration = Duration::from_millis(200);
const SWEEP_EVERY: Duration = Duration::from_millis(50);
/// The environment of the process that is stopped.
const STOPPED: &str = "HANGUP_TEST_IS_STOPPED";

#[test]
fn r30_the_server_stood_still_and_no_healthy_peer_is_closed() {
    if env::var_os(STOPPED).is_some() {
        serve();
        return;
    }
    bounded(|| {
        let name = "standstill::r30_the_server_stood_still_and_no_healthy_peer_is_closed";
        let server = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(STOPPED, "1")
            .stdout(Stdio::piped())
            .spawn();
        let mut server = Server(server.unwrap());
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
        let mut told = |prefix: &str| loop {
            let line = lines.next().expect("it tells").unwrap();
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        };
        told("serving");
        signal(&server, "-STOP");
        // The standstill itself, as long as all peers may be silent, twice.
        sleep(IDLE * 2);
        signal(&server, "-CONT");
        let closed = told("closed ");
        println!("{closed} of {PEERS} closed");
        assert!(server.0.wait().unwrap().success());
        assert_eq!(closed, "0");
    });
}

/// Ends with the test, also while it is stopped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // `Err` if it has ended.
        let _: Result<(), std::io::Error> = self.0.kill();
    }
}

fn signal(server: &Server, signal: &str) {
    let id = server.0.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}

/// The process that is stopped: says how many were closed when it has gone on for a while.
fn serve() {
    runtime().block_on(async {
        let scope = Scope::builder()
            .deadlines(Deadlines::new().idle(IDLE))
            .sweep_every(SWEEP_EVERY)
            .build();
        for _ in 0..PEERS {
            let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
            drop(tokio::spawn(async move {
                let mut touches = interval(TOUCH_EVERY);
                loop {
                    touches.tick().await;
                    live.touch();
                }
            }));
        }
        pause(IDLE / 2).await;
        // From each look at the clock to the next, so that no standstill falls in between: the
        // first look is before the line that it may come after.
        let mut last = Instant::now();
        println!("\nserving");
        loop {
            pause(SWEEP_EVERY).await;
            let now = Instant::now();
            if now - last > IDLE {
                break;
            }
            last = now;
        }
        // Whatever the standstill has aged is found in this time.
        pause(IDLE).await;
        println!("\nclosed {}", scope.stats().closed_as(CloseReason::Idle));
    });
}
