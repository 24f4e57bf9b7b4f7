//! What the command line can say.

use std::collections::BTreeSet;
use std::time::Duration;

use hangup::Deadlines;

#[cfg(feature = "cluster")]
use super::cluster::{Address, Options, RemoteRouter};
use super::names;

pub(crate) const USAGE: &str = "usage: gateway [--addr HOST:PORT] [--max-connections N] \
    [--heartbeat SECONDS] [--stall SECONDS] [--max-age SECONDS] [--request SECONDS] \
    [--drain SECONDS] [--undo SECONDS] [--agents NAME,NAME,...] [--console]\n\
    with the feature `cluster`: [--cluster nats://HOST:PORT | redis://HOST:PORT | memory] \
    [--node NAME] [--lease SECONDS] [--margin SECONDS] [--job-router http://HOST:PORT]";

/// Longer than the longest set-up.
const SETUP_DEADLINE: Duration = Duration::from_secs(60);

/// How many clients may be connected without a stream.
const SPARE_SOCKETS: usize = 128;
/// A hundred years. A clock that is asked for a much later time overflows.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How the gateway is to be.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) max_connections: usize,
    /// How long a stream is quiet at most.
    pub(crate) heartbeat: Duration,
    /// How long a client may not read.
    pub(crate) stall: Duration,
    /// After how long a client has to come again.
    pub(crate) max_age: Duration,
    /// How long the head of a request may take, and its body.
    pub(crate) request: Duration,
    /// What an undo that hangs can cost a shutdown.
    pub(crate) drain: Duration,
    /// What the job router may take to let go of a worker.
    pub(crate) undo: Duration,
    /// The agents that may stream; `None` if all may.
    pub(crate) agents: Option<BTreeSet<String>>,
    /// Whether there is a console.
    pub(crate) console: bool,
    #[cfg(feature = "cluster")]
    pub(crate) cluster: Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addr: "127.0.0.1:3000".to_owned(),
            max_connections: 10_000,
            heartbeat: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            max_age: Duration::from_secs(3600),
            request: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            undo: Duration::from_secs(5),
            agents: None,
            console: false,
            #[cfg(feature = "cluster")]
            cluster: Options::default(),
        }
    }
}

impl Settings {
    pub(crate) fn parse(
        mut args: impl Iterator<Item = String>,
        addr: Option<String>,
    ) -> Result<Self, String> {
        let mut settings = Self::default();
        settings.addr = addr.unwrap_or(settings.addr);
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let value_is_given = value.is_some();
            let mut value = || {
                let value = value.clone().or_else(|| args.next());
                value.ok_or_else(|| format!("{name} takes a value"))
            };
            match &name[..] {
                "--addr" => settings.addr = value()?,
                "--max-connections" => settings.max_connections = number(&name, &value()?)?,
                "--heartbeat" => settings.heartbeat = seconds(&name, &value()?)?,
                "--stall" => settings.stall = seconds(&name, &value()?)?,
                "--max-age" => settings.max_age = seconds(&name, &value()?)?,
                "--request" => settings.request = seconds(&name, &value()?)?,
                "--drain" => settings.drain = seconds(&name, &value()?)?,
                "--undo" => settings.undo = seconds(&name, &value()?)?,
                "--agents" => settings.agents = Some(agents(&name, &value()?)?),
                "--console" if value_is_given => return Err(format!("{name} takes no value")),
                "--console" => settings.console = true,
                #[cfg(feature = "cluster")]
                "--cluster" => settings.cluster.engine = Some(Address::parse(&value()?)?),
                #[cfg(feature = "cluster")]
                "--node" => settings.cluster.node = node(&name, value()?)?,
                #[cfg(feature = "cluster")]
                "--lease" => settings.cluster.lease = seconds(&name, &value()?)?,
                #[cfg(feature = "cluster")]
                "--margin" => settings.cluster.margin = Some(seconds(&name, &value()?)?),
                #[cfg(feature = "cluster")]
                "--job-router" => settings.cluster.job_router = Some(router(&name, &value()?)?),
                #[cfg(not(feature = "cluster"))]
                "--cluster" => {
                    return Err("--cluster takes a gateway with the feature `cluster`".to_owned());
                }
                _ => return Err(format!("unknown argument `{name}`")),
            }
        }
        Ok(settings)
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines::new()
            .setup(SETUP_DEADLINE)
            .undo(self.undo)
            .stall(self.stall)
            .max_age(self.max_age)
            // So that those who came together do not come back together.
            .jitter(self.max_age / 10)
    }

    /// How many sockets may be open. A proxied stream has two: its client's, and the one on
    /// which the gateway asks itself.
    pub(crate) fn max_sockets(&self) -> usize {
        let streams = self.max_connections.saturating_mul(2);
        streams.saturating_add(SPARE_SOCKETS)
    }

    /// As fine as the finest deadline needs.
    pub(crate) fn sweep_every(&self) -> Duration {
        let finest = self.stall.min(self.max_age).min(self.undo) / 10;
        finest.clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    let number = value.parse();
    number.map_err(|_| format!("{name} takes a number, not `{value}`"))
}

fn agents(name: &str, value: &str) -> Result<BTreeSet<String>, String> {
    let agent = |agent: &str| match names::check("a name", agent) {
        Ok(()) => Ok(agent.to_owned()),
        Err(problem) => Err(format!(
            "{name} takes names with commas between, not `{value}`: {problem}"
        )),
    };
    value.split(',').map(agent).collect()
}

#[cfg(feature = "cluster")]
fn node(name: &str, value: String) -> Result<String, String> {
    names::check(name, &value)?;
    Ok(value)
}

#[cfg(feature = "cluster")]
fn router(name: &str, value: &str) -> Result<RemoteRouter, String> {
    let router = RemoteRouter::parse(value);
    router.ok_or_else(|| format!("{name} takes `http://HOST:PORT`, not `{value}`"))
}

fn seconds(name: &str, value: &str) -> Result<Duration, String> {
    let seconds = value.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(duration)) if !duration.is_zero() && duration <= LONGEST => Ok(duration),
        _ => Err(format!(
            "{name} takes a number of seconds up to {}, not `{value}`",
            LONGEST.as_secs()
        )),
    }
}
