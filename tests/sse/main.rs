//! Heartbeats in a body of server-sent events: they come whenever it is quiet, and
//! change no event, however the body is split.

mod fixed;
mod oracle;
mod random;
mod script;
mod timing;

use std::time::Duration;

use hangup::future::SseHeartbeat;
use hangup::{LiveBody, Scope};

const PERIOD: Duration = Duration::from_secs(15);

fn heartbeat<B>(body: B, period: Duration) -> LiveBody<SseHeartbeat<B>>
where
    B: http_body::Body,
    B::Data: AsRef<[u8]> + From<&'static [u8]>,
{
    let live = Scope::new().open().unwrap().register().unwrap().go_live();
    live.unwrap().body(body).heartbeat(period).unwrap()
}
