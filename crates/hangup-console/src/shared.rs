//! What all clones of a console share.

use std::sync::Arc;

use hangup::CloseReason;
use http::request::Parts;

use crate::events::Source;
use crate::refusal::Refusal;

pub(crate) type Allow = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) title: String,
    pub(crate) allow: Option<Allow>,
    pub(crate) allow_end: Option<Allow>,
    pub(crate) end_as: CloseReason,
    pub(crate) source: Arc<Source>,
}

impl Shared {
    /// Closed, unless the application opens it.
    pub(crate) fn let_in(&self, request: &Parts) -> Result<(), Refusal> {
        match &self.allow {
            Some(allow) if allow(request) => Ok(()),
            _ => Err(Refusal::NotAllowed),
        }
    }

    /// Whether a request that is let in may end connections.
    pub(crate) fn may_end(&self, request: &Parts) -> bool {
        self.allow_end.as_ref().is_none_or(|allow| allow(request))
    }
}
