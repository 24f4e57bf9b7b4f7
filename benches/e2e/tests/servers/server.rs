//! A server as a process, and sockets that are read by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing takes longer.
const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    process: Child,
    addr: String,
}

impl Server {
    pub(crate) fn start(mode: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_hangup-e2e"))
            .args(["serve", mode])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addr = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut addr).unwrap();
        let addr = addr.trim().to_owned();
        Self { process, addr }
    }

    /// Opens a stream, and waits for its first event.
    pub(crate) fn open(&self, key: u64) -> Stream {
        let mut stream = self.ask("GET", &format!("/events/{key}"));
        stream.read_until("event: open\ndata: !\n");
        stream
    }

    pub(crate) fn publish(&self) {
        self.ask("POST", "/events").read_until("HTTP/1.1 204");
    }

    /// Ends the stream under `key`. Returns the status.
    pub(crate) fn stop(&self, key: u64) -> String {
        let mut stream = self.ask("DELETE", &format!("/events/{key}"));
        stream.read_until("\r\n\r\n");
        stream.read["HTTP/1.1 ".len()..][..3].to_owned()
    }

    /// Waits until so many are registered, and so many not undone.
    pub(crate) fn has(&self, count: usize) {
        let (wanted, begun) = (format!("\r\n\r\n{count} {count}"), Instant::now());
        loop {
            let mut stream = self.ask("GET", "/counts");
            stream.read_until("\r\n\r\n");
            stream.read_until(" ");
            stream.read_until_length();
            if stream.read.ends_with(&wanted) {
                return;
            }
            assert!(begun.elapsed() < SOON, "not {count}: {}", stream.read);
        }
    }

    pub(crate) fn terminate(&self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for the end of the process, and tells whether it was a success.
    pub(crate) fn ended(&mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.success();
            }
            assert!(begun.elapsed() < SOON, "it does not end");
            std::thread::yield_now();
        }
    }

    fn ask(&self, method: &str, path: &str) -> Stream {
        let mut socket = TcpStream::connect(&self.addr).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        write!(socket, "{method} {path} HTTP/1.1\r\nHost: loopback\r\n\r\n").unwrap();
        Stream {
            socket,
            read: String::new(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `Err` if it has ended, which is as well.
        let _: std::io::Result<()> = self.process.kill();
        let _: std::io::Result<_> = self.process.wait();
    }
}

/// A response, and what was read of it.
pub(crate) struct Stream {
    socket: TcpStream,
    pub(crate) read: String,
}

impl Stream {
    pub(crate) fn read_until(&mut self, text: &str) {
        // A heartbeat is no progress.
        let begun = Instant::now();
        while !self.read.contains(text) {
            assert!(begun.elapsed() < SOON, "no {text:?} in {:?}", self.read);
            assert!(self.read_more(), "no {text:?} in {:?}", self.read);
        }
    }

    /// Reads the whole of a response with a length.
    fn read_until_length(&mut self) {
        loop {
            let (head, body) = self.read.split_once("\r\n\r\n").unwrap();
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return;
            }
            assert!(self.read_more(), "cut off: {:?}", self.read);
        }
    }

    /// Reads until the server ends the connection.
    pub(crate) fn read_to_the_end(&mut self) {
        while self.read_more() {}
    }

    /// The numbers of the events, in their order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let events = self.read.split("data: @{\"number\": ").skip(1);
        let number = |it: &str| it.split_once(',').unwrap().0.parse().unwrap();
        events.map(number).collect()
    }

    pub(crate) fn farewells(&self) -> usize {
        self.read.matches("event: closed\ndata: #\n").count()
    }

    /// `false` at the end.
    fn read_more(&mut self) -> bool {
        let mut chunk = [0; 1024];
        let count = self.socket.read(&mut chunk).unwrap();
        self.read
            .push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        count > 0
    }
}
