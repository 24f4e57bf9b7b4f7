//! Whether the server waits for what comes next.
//!
//! While instructions are counted, the client takes each step when the server sleeps. Otherwise
//! the scheduler decides how much the server finds each time it wakes up, and so how often it
//! does.

use std::fs;

use tokio::task::yield_now;

#[derive(Clone, Copy)]
pub(super) struct Asleep(
    /// The server's process, if it is waited for.
    pub(super) Option<u32>,
);

impl Asleep {
    pub(super) async fn wait(self) {
        let Some(process) = self.0 else {
            return;
        };
        let path = format!("/proc/{process}/stat");
        loop {
            let stat = fs::read_to_string(&path).expect("the server runs");
            // Its name, in parentheses, may have spaces.
            let state = stat.rsplit_once(')').map(|(_, it)| it.trim_start());
            if state.is_some_and(|it| it.starts_with('S')) {
                return;
            }
            yield_now().await;
        }
    }
}
