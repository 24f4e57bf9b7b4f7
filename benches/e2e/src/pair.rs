//! A server and its client, each a process.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use crate::kernel;
use crate::mode::Mode;

pub(crate) struct Pair {
    pub(crate) server: Child,
    client: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pair {
    pub(crate) fn start(mode: Mode) -> Self {
        Self::start_as(this(), mode, false)
    }

    /// `command` runs this program, so that instructions are counted. The client takes each step
    /// when the server sleeps.
    pub(crate) fn counted(command: Command, mode: Mode) -> Self {
        Self::start_as(command, mode, true)
    }

    fn start_as(mut command: Command, mode: Mode, in_steps: bool) -> Self {
        let command = command.args(["serve", mode.name()]);
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let addr = line(&mut BufReader::new(server.stdout.take().unwrap()));
        let mut client = this()
            .args(["client", &addr])
            .args(in_steps.then(|| server.id().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            server,
            orders: client.stdin.take().unwrap(),
            answers: BufReader::new(client.stdout.take().unwrap()),
            client,
        }
    }

    /// Returns the client's answer.
    pub(crate) fn order(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    pub(crate) fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the client runs");
    }

    pub(crate) fn answer(&mut self) -> String {
        line(&mut self.answers)
    }

    pub(crate) fn terminate(&self) {
        kernel::terminate(&self.server);
    }

    pub(crate) fn server_ended(&mut self) -> ExitStatus {
        self.server.wait().unwrap()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for process in [&mut self.client, &mut self.server] {
            // `Err` if it has ended, which is as well.
            let _: std::io::Result<()> = process.kill();
            let _: std::io::Result<ExitStatus> = process.wait();
        }
    }
}

fn this() -> Command {
    Command::new(env::current_exe().unwrap())
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "it has ended: {line:?}");
    line.trim().to_owned()
}
