//! How a drive goes.

use std::time::Duration;

/// How many clients come, and how long the server may take to end.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What decides when each client vanishes.
    pub seed: u64,
    /// The clients that come at the same time, vanish at random moments, and come again.
    pub clients: u64,
    /// How often each of them comes.
    pub lives: u64,
    /// The clients that read on while the server shuts down.
    pub readers: usize,
    /// How long after the last client has gone the server may still count one.
    pub gone: Duration,
    /// The deadline that the server is told, as `DRAIN_MS`.
    pub drain: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            clients: 24,
            lives: 3,
            readers: 5,
            gone: Duration::from_secs(3),
            drain: Duration::from_secs(2),
        }
    }
}

impl Plan {
    /// For what must happen soon: far more than it takes, far less than for ever.
    pub const SOON: Duration = Duration::from_secs(20);
    /// How much later than its deadline a server is still in time, on a machine that is busy.
    pub const SLACK: Duration = Duration::from_secs(1);
    /// A client lives for less than this.
    pub const LIFE: Duration = Duration::from_millis(80);

    /// How many clients there are at the end: those that read, and one that has stopped reading.
    pub const fn everyone(&self) -> u64 {
        self.readers as u64 + 1
    }

    /// The dice of client `number`.
    pub const fn dice(&self, number: u64) -> Dice {
        Dice(self.seed.wrapping_mul(0x1_0001).wrapping_add(number))
    }
}

/// Random numbers that are the same for the same seed: SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// How long the next client lives: also less than it takes to connect.
    pub fn life(&mut self) -> Duration {
        let limit = u64::try_from(Plan::LIFE.as_micros()).unwrap();
        Duration::from_micros(self.roll() % limit)
    }
}
