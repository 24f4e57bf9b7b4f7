//! Endings, and the cases made of them.

use std::fmt;
use std::str::FromStr;

/// What happens to a connection at a point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The future of the handler is dropped because the client disconnects.
    Dropped,
    /// The handler panics.
    Panic,
    /// The server closes the connection from outside.
    Closed,
    /// The signal of the request fires.
    Signal,
    /// The server shuts down. When the shutdown completes, the process ends: the
    /// remaining tasks are dropped at their current `await`.
    Shutdown,
    /// A second connection under the same key arrives.
    #[non_exhaustive]
    Newcomer {
        /// The first connection is dropped when the second has been suspended this many
        /// times. `None` drops it when all tasks are idle.
        dropped_at: Option<usize>,
    },
    /// A second connection under the same key arrives. It is dropped when it has been
    /// suspended this many times, and the first goes on.
    Visitor(usize),
    /// The future of the handler is dropped. A second connection under the same key
    /// arrives when the remaining tasks have had this many turns. Between two statements,
    /// the connection is closed or its signal fires instead, and the second arrives at
    /// once.
    Successor(usize),
    /// The client stops reading the response, and then the server closes the connection from
    /// outside.
    Stalled,
    /// The client stops reading the response, and then the server shuts down.
    StalledAtShutdown,
    /// An event that the test defines happens, and the connection goes on.
    Event(String),
}

/// A case: the point, the ending, and the order of the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) point: usize,
    pub(crate) ending: Ending,
    pub(crate) order: Order,
}

/// Which of the woken tasks is polled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

const NEWEST_FIRST: &str = ", newest first";

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => f.write_str("dropped"),
            Self::Panic => f.write_str("panic"),
            Self::Closed => f.write_str("closed"),
            Self::Signal => f.write_str("signal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Newcomer { dropped_at: None } => f.write_str("newcomer"),
            Self::Newcomer {
                dropped_at: Some(at),
            } => write!(f, "newcomer@{at}"),
            Self::Successor(at) => write!(f, "successor@{at}"),
            Self::Visitor(at) => write!(f, "visitor@{at}"),
            Self::Stalled => f.write_str("stalled"),
            Self::StalledAtShutdown => f.write_str("stalled at shutdown"),
            Self::Event(name) => write!(f, "event {name}"),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::OldestFirst => "",
            Order::NewestFirst => NEWEST_FIRST,
        };
        write!(f, "{}:{}{order}", self.point, self.ending)
    }
}

impl FromStr for Case {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (text, order) = match text.strip_suffix(NEWEST_FIRST) {
            Some(text) => (text, Order::NewestFirst),
            None => (text, Order::OldestFirst),
        };
        let (point, ending) = text.split_once(':').ok_or(())?;
        let ending = match ending {
            "dropped" => Ending::Dropped,
            "panic" => Ending::Panic,
            "closed" => Ending::Closed,
            "signal" => Ending::Signal,
            "shutdown" => Ending::Shutdown,
            "stalled" => Ending::Stalled,
            "stalled at shutdown" => Ending::StalledAtShutdown,
            "newcomer" => Ending::Newcomer { dropped_at: None },
            other => with_argument(other).ok_or(())?,
        };
        let point = point.parse().map_err(drop)?;
        Ok(Self {
            point,
            ending,
            order,
        })
    }
}

fn with_argument(text: &str) -> Option<Ending> {
    if let Some(name) = text.strip_prefix("event ") {
        return Some(Ending::Event(name.to_owned()));
    }
    let (ending, at) = text.split_once('@')?;
    let at = at.parse().ok()?;
    match ending {
        "newcomer" => Some(Ending::Newcomer {
            dropped_at: Some(at),
        }),
        "successor" => Some(Ending::Successor(at)),
        "visitor" => Some(Ending::Visitor(at)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Ending, Order};

    #[test]
    fn a_case_is_read_as_it_is_written() {
        let endings = [
            Ending::Dropped,
            Ending::Panic,
            Ending::Closed,
            Ending::Signal,
            Ending::Shutdown,
            Ending::Newcomer { dropped_at: None },
            Ending::Newcomer {
                dropped_at: Some(12),
            },
            Ending::Stalled,
            Ending::StalledAtShutdown,
            Ending::Visitor(0),
            Ending::Successor(7),
            Ending::Event("a write: fails".into()),
        ];
        for ending in endings {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let (point, ending) = (3, ending.clone());
                let case = Case {
                    point,
                    ending,
                    order,
                };
                assert_eq!(case.to_string().parse(), Ok(case));
            }
        }
        for text in [
            "",
            "dropped",
            "x:dropped",
            "1:gone",
            "1:newcomer@",
            "1:visitor@-1",
            "1:event",
        ] {
            assert_eq!(text.parse::<Case>(), Err(()), "{text}");
        }
    }
}
