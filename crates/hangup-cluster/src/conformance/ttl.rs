//! A record goes when its time has passed, and not before.

use std::time::{Duration, Instant};

use super::bench::{Bench, conflicts, holds, write};
use super::outcome::{Checked, Found, Stop, ensure};
use crate::engine::{Claims, Revision, Swapped};

/// A write with a time to live, and the two instants between which it was done.
struct Written {
    revision: Revision,
    earliest: Instant,
    latest: Instant,
    ttl: Duration,
}

impl Written {
    /// It may be there no longer from then on.
    fn not_before(&self, bench: &Bench<'_>) -> Instant {
        self.earliest + self.ttl.saturating_sub(bench.timing.early)
    }
}

/// How often a renewal is tried that has to come in time.
const ATTEMPTS: usize = 20;

async fn lease(
    bench: &Bench<'_>,
    claims: &dyn Claims,
    name: &str,
    expected: Option<Revision>,
    ttl: Duration,
) -> Checked<Written> {
    let earliest = bench.now();
    let revision = write(claims, name, expected, b"lease", Some(ttl)).await?;
    let latest = bench.now();
    Ok(Written {
        revision,
        earliest,
        latest,
        ttl,
    })
}

/// A write over a lease. `None` if it came too late: then the machine was busy, or stood still.
async fn over(
    bench: &Bench<'_>,
    claims: &dyn Claims,
    name: &str,
    lease: &Written,
    ttl: Option<Duration>,
) -> Checked<Option<Revision>> {
    let expected = Some(lease.revision);
    match claims.swap(name, expected, b"lease".to_vec(), ttl).await? {
        Swapped::Done(revision) => Ok(Some(revision)),
        Swapped::Conflict if bench.now() >= lease.not_before(bench) => Ok(None),
        Swapped::Conflict => Err(Stop::Failed(format!(
            "a write over a lease of {:?} is a conflict before its time has passed",
            lease.ttl
        ))),
    }
}

/// A lease that was renewed so often, after half of its time each.
async fn renewed(
    bench: &Bench<'_>,
    claims: &dyn Claims,
    name: &str,
    renewals: usize,
) -> Checked<Written> {
    let ttl = bench.timing.ttl;
    'attempt: for _ in 0..ATTEMPTS {
        let mut written = lease(bench, claims, name, None, ttl).await?;
        for _ in 0..renewals {
            bench.sleep(ttl / 2).await;
            let earliest = bench.now();
            let renewal = over(bench, claims, name, &written, Some(ttl)).await?;
            let Some(revision) = renewal else {
                continue 'attempt;
            };
            written = Written {
                revision,
                earliest,
                latest: bench.now(),
                ttl,
            };
        }
        return Ok(written);
    }
    Err(too_slow())
}

fn too_slow() -> Stop {
    Stop::Failed(format!("none of {ATTEMPTS} writes over a lease is in time"))
}

/// Looks at the record until it has gone. This waits for the engine's own time to live: there is
/// nothing to synchronize with.
async fn ends(bench: &Bench<'_>, claims: &dyn Claims, name: &str, written: &Written) -> Checked {
    let Written { ttl, .. } = *written;
    let not_before = written.not_before(bench);
    let not_after = written.latest + ttl + bench.timing.late;
    loop {
        let asked = bench.now();
        let record = claims.load(name).await?;
        let answered = bench.now();
        let Some(record) = record else {
            let early = not_before.saturating_duration_since(answered);
            ensure!(
                early.is_zero(),
                "with a time to live of {ttl:?}, it goes {early:?} too early"
            );
            return Ok(());
        };
        ensure!(
            record.revision == written.revision && record.value == b"lease",
            "{} is there instead of revision {}",
            Found(Some(&record)),
            written.revision
        );
        let late = asked.saturating_duration_since(not_after);
        ensure!(
            asked < not_after,
            "with a time to live of {ttl:?}, it is there {late:?} after the latest end"
        );
        bench.sleep(bench.timing.ttl / 20).await;
    }
}

/// Looks at the record until then: it has to be there. This waits for the end that the record must
/// not have.
async fn stays(
    bench: &Bench<'_>,
    claims: &dyn Claims,
    name: &str,
    revision: Revision,
    until: Instant,
) -> Checked {
    while bench.now() < until {
        let found = claims.load(name).await?;
        let is_there = found
            .as_ref()
            .is_some_and(|found| found.revision == revision);
        ensure!(
            is_there,
            "without a time to live, it is {}",
            Found(found.as_ref())
        );
        bench.sleep(bench.timing.ttl / 4).await;
    }
    Ok(())
}

pub(super) async fn a_record_goes_in_time(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    let name = bench.name("lease");
    let written = lease(bench, &*a, &name, None, bench.timing.ttl).await?;
    ends(bench, &*b, &name, &written).await?;
    let longer = bench.name("longer");
    let written = lease(bench, &*a, &longer, None, bench.timing.ttl * 2).await?;
    ends(bench, &*b, &longer, &written).await
}

pub(super) async fn a_renewal_counts_from_its_write(bench: &Bench<'_>) -> Checked {
    let (claims, name) = (bench.claims().await?, bench.name("lease"));
    let written = renewed(bench, &*claims, &name, 3).await?;
    ends(bench, &*claims, &name, &written).await
}

pub(super) async fn a_renewal_may_be_shorter(bench: &Bench<'_>) -> Checked {
    let (claims, name, ttl) = (bench.claims().await?, bench.name("lease"), bench.timing.ttl);
    let written = lease(bench, &*claims, &name, None, ttl * 20).await?;
    let written = lease(bench, &*claims, &name, Some(written.revision), ttl).await?;
    ends(bench, &*claims, &name, &written).await
}

/// A client that makes a record anew by another command may drop its time to live.
pub(super) async fn a_record_that_is_made_again_goes_again(bench: &Bench<'_>) -> Checked {
    let (claims, name, ttl) = (bench.claims().await?, bench.name("lease"), bench.timing.ttl);
    let mut last = Revision(0);
    for _ in 0..3 {
        let written = lease(bench, &*claims, &name, None, ttl).await?;
        ensure!(
            written.revision > last,
            "revision {} comes after {last}",
            written.revision
        );
        last = written.revision;
        ends(bench, &*claims, &name, &written).await?;
    }
    // With a renewal in between.
    let written = renewed(bench, &*claims, &name, 1).await?;
    ends(bench, &*claims, &name, &written).await
}

/// A record that had a time to live, and has none any more.
async fn lifted_off(bench: &Bench<'_>, claims: &dyn Claims, name: &str) -> Checked<Revision> {
    for _ in 0..ATTEMPTS {
        let written = lease(bench, claims, name, None, bench.timing.ttl).await?;
        if let Some(revision) = over(bench, claims, name, &written, None).await? {
            return Ok(revision);
        }
    }
    Err(too_slow())
}

pub(super) async fn a_write_without_a_time_to_live_stays(bench: &Bench<'_>) -> Checked {
    let (claims, ttl) = (bench.claims().await?, bench.timing.ttl);
    let (lifted, again) = (bench.name("lifted"), bench.name("again"));
    let of_lifted = lifted_off(bench, &*claims, &lifted).await?;
    // And over one that has gone.
    let written = lease(bench, &*claims, &again, None, ttl).await?;
    ends(bench, &*claims, &again, &written).await?;
    let of_again = write(&*claims, &again, None, b"stays", None).await?;
    let until = bench.now() + ttl + bench.timing.late + ttl / 2;
    stays(bench, &*claims, &lifted, of_lifted, until).await?;
    holds(&*claims, &again, of_again, b"stays").await
}

pub(super) async fn a_record_that_stays_may_get_a_time_to_live(bench: &Bench<'_>) -> Checked {
    let (claims, name) = (bench.claims().await?, bench.name("lease"));
    let first = write(&*claims, &name, None, b"stays", None).await?;
    let written = lease(bench, &*claims, &name, Some(first), bench.timing.ttl).await?;
    ends(bench, &*claims, &name, &written).await
}

pub(super) async fn the_revision_of_a_record_that_has_gone_is_a_conflict(
    bench: &Bench<'_>,
) -> Checked {
    let (a, b) = (bench.claims().await?, bench.claims().await?);
    let (name, ttl) = (bench.name("lease"), bench.timing.ttl);
    let written = lease(bench, &*a, &name, None, ttl).await?;
    ends(bench, &*b, &name, &written).await?;
    conflicts(&*a, &name, Some(written.revision), None).await?;
    conflicts(&*b, &name, Some(written.revision), Some(ttl)).await?;
    // Also when it has been made again.
    let again = write(&*b, &name, None, b"again", None).await?;
    conflicts(&*a, &name, Some(written.revision), Some(ttl)).await?;
    holds(&*a, &name, again, b"again").await
}
