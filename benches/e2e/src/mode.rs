//! The servers: how a connection is kept, and how an event reaches it.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// By hand, with an `mpsc` channel for each connection.
    ByHand,
    /// By hand, with one `broadcast` channel.
    ByHandBroadcast,
    /// On `hangup`, with an `mpsc` channel for each connection.
    Hangup,
    /// The same, but a shutdown closes all at once.
    HangupAtOnce,
    /// On `hangup`, with one `broadcast` channel.
    HangupBroadcast,
    /// On `hangup`, with a topic of encoded events.
    Topic,
}

impl Mode {
    const ALL: [Self; 6] = [
        Self::ByHand,
        Self::ByHandBroadcast,
        Self::Hangup,
        Self::HangupAtOnce,
        Self::HangupBroadcast,
        Self::Topic,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by-hand",
            Self::ByHandBroadcast => "by-hand-broadcast",
            Self::Hangup => "hangup",
            Self::HangupAtOnce => "hangup-at-once",
            Self::HangupBroadcast => "hangup-broadcast",
            Self::Topic => "topic",
        }
    }

    /// As a server's process is told.
    pub(crate) fn named(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.expect("the name of a mode")
    }
}
