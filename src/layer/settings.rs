//! What a layer was told.

use std::sync::Arc;
use std::time::Duration;

use http::request;

use crate::lifecycle::End;
use crate::scope::Scope;
use crate::state::CloseReason;
use crate::topic::SseEvent;

pub(super) type When = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

type Farewell = Arc<dyn Fn(&End) -> Option<SseEvent> + Send + Sync>;

pub(super) struct Settings {
    pub(super) scope: Scope,
    pub(super) when: Option<When>,
    pub(super) heartbeat: Option<Duration>,
    pub(super) flush: usize,
    pub(super) farewell: Farewell,
}

/// The clients of a server that shuts down come back after a time between these.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

impl Settings {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            when: None,
            heartbeat: None,
            flush: 0,
            farewell: Arc::new(|end| Some(say_closed(end))),
        }
    }
}

fn say_closed(end: &End) -> SseEvent {
    let event = SseEvent::new("closed").data(&end.to_string());
    match end.reason() {
        CloseReason::Shutdown => event.retry_between(RETRY[0], RETRY[1]),
        _ => event,
    }
}
