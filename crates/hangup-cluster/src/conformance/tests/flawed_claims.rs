//! Claims that break a rule.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::flaw::Flaw;
use super::flawed::{Flawed, Known};
use crate::engine::{Answer, Claims, EngineError, MAX_NAME, Record, Revision, Swapped};

/// As [`InMemory`](super::passing::InMemory) has it.
const MAX_SIZE: usize = 1 << 12;

impl Flawed {
    pub(super) fn name(&self, name: &str) -> String {
        match self.flaw {
            Flaw::NamesInLowerCase => name.to_lowercase(),
            Flaw::NamesWithoutDots => name.replace('.', "-"),
            Flaw::NamesCut => name.chars().take(100).collect(),
            Flaw::TooLargeIsCut => name.chars().take(MAX_NAME).collect(),
            _ => name.to_owned(),
        }
    }

    pub(super) fn bytes(&self, mut bytes: Vec<u8>, as_text: Flaw) -> Vec<u8> {
        if self.flaw == Flaw::TooLargeIsCut {
            bytes.truncate(MAX_SIZE);
        }
        if self.flaw == as_text {
            let mut text = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
            text.truncate(MAX_SIZE);
            return text;
        }
        bytes
    }

    pub(super) fn error(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::TooLarge { .. } if self.flaw == Flaw::TooLargeIsUnknown => {
                EngineError::unknown("too large")
            }
            error => error,
        }
    }

    /// Whether a call that met another life is made again.
    pub(super) async fn adopts(&self, is_forgotten: bool) -> bool {
        let by_other = self.shared.adoptions.load(Ordering::Relaxed);
        let adopts = match self.flaw {
            Flaw::ForgetUntold => is_forgotten,
            Flaw::AdoptedForAll => is_forgotten && by_other > self.adopted.load(Ordering::Relaxed),
            _ => false,
        };
        adopts && self.link.adopt().await.is_ok()
    }

    /// The time to live that the write gets instead of `ttl`.
    fn ttl(
        &self,
        known: Option<Known>,
        expected: Option<Revision>,
        ttl: Option<Duration>,
    ) -> Option<Duration> {
        let makes = expected.is_none();
        let known = known.unwrap_or_default();
        let left = known.end.map(|end| end - Instant::now());
        match (self.flaw, ttl) {
            (Flaw::TtlIgnored, _) => None,
            (Flaw::TtlHalved, Some(ttl)) => Some(ttl / 2),
            (Flaw::TtlDoubled, Some(ttl)) => Some(ttl * 2),
            (Flaw::TtlNotRenewed, Some(ttl)) if !makes => left.or(Some(ttl)),
            (Flaw::TtlNeverShorter, Some(ttl)) => left.max(Some(ttl)),
            (Flaw::TtlOfFirstMakeOnly, Some(_)) if makes && known.revision.is_some() => None,
            (Flaw::TtlKeptByWriteWithout, None) if !makes => left,
            (Flaw::TtlKeptByMakeWithout, None) if makes => known.ttl,
            (Flaw::TtlNotAdded, Some(_)) if !makes && known.end.is_none() => None,
            (_, ttl) => ttl,
        }
    }

    /// The real revision of the one that was told.
    fn real(&self, name: &str, told: Revision) -> Revision {
        match self.flaw {
            Flaw::RevisionsOfEachRecord => {
                let revisions = self.shared.revisions.lock().unwrap();
                let of_record = revisions.get(name).map_or(&[][..], Vec::as_slice);
                let index = (told.0 as usize).checked_sub(1);
                let real = index.and_then(|index| of_record.get(index));
                real.copied().unwrap_or(Revision(u64::MAX))
            }
            Flaw::RevisionsBeginAnew => Revision(told.0 + self.shared.base.load(Ordering::Relaxed)),
            _ => told,
        }
    }

    fn told(&self, name: &str, real: Revision) -> Revision {
        match self.flaw {
            Flaw::RevisionsOfEachRecord => {
                let mut revisions = self.shared.revisions.lock().unwrap();
                let of_record = revisions.entry(name.to_owned()).or_default();
                if !of_record.contains(&real) {
                    of_record.push(real);
                }
                let index = of_record.iter().position(|revision| *revision == real);
                Revision(index.map_or(0, |index| index as u64 + 1))
            }
            Flaw::RevisionsBeginAnew => Revision(real.0 - self.shared.base.load(Ordering::Relaxed)),
            _ => real,
        }
    }

    /// The write, but for what is told.
    async fn swap_flawed(
        &self,
        name: &str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Swapped, EngineError> {
        let swap = |expected| self.link.swap(name, expected, value.clone(), ttl);
        if self.flaw == Flaw::ComparesThenSwaps {
            let found = self.link.load(name).await?.map(|record| record.revision);
            if found != expected {
                return Ok(Swapped::Conflict);
            }
            return self.swap_anyway(name, &value, ttl).await;
        }
        let swapped = swap(expected).await?;
        if swapped != Swapped::Conflict {
            return Ok(swapped);
        }
        let known = self.shared.records.lock().unwrap().get(name).copied();
        let is_there = self.link.load(name).await?.is_some();
        let is_last = known.is_some_and(|known| known.revision == expected);
        let writes = match self.flaw {
            Flaw::ExpectedIgnored | Flaw::ConflictsAreWritten => true,
            Flaw::NoneOverwrites => expected.is_none(),
            Flaw::SomeMakes => !is_there,
            Flaw::RevisionOutlivesRecord => !is_there && is_last,
            _ => false,
        };
        if !writes {
            return Ok(Swapped::Conflict);
        }
        let written = self.swap_anyway(name, &value, ttl).await?;
        if self.flaw == Flaw::ConflictsAreWritten {
            return Ok(Swapped::Conflict);
        }
        Ok(written)
    }

    async fn swap_anyway(
        &self,
        name: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<Swapped, EngineError> {
        loop {
            let found = self.link.load(name).await?.map(|record| record.revision);
            let swapped = self.link.swap(name, found, value.to_vec(), ttl).await?;
            if swapped != Swapped::Conflict {
                return Ok(swapped);
            }
        }
    }
}

pub(super) fn is_forgotten<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::Forgotten))
}

impl Claims for Flawed {
    fn adopt(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.link.adopt().await?;
            let adoption = self.shared.adoptions.fetch_add(1, Ordering::Relaxed) + 1;
            self.adopted.store(adoption, Ordering::Relaxed);
            Ok(())
        })
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async move {
            let name = self.name(name);
            let mut loaded = self.link.load(&name).await;
            if self.adopts(is_forgotten(&loaded)).await {
                loaded = self.link.load(&name).await;
            }
            if let Err(EngineError::Unknown(_)) = &loaded {
                match self.flaw {
                    Flaw::AwayIsPending => return std::future::pending().await,
                    Flaw::AwayIsAbsent => return Ok(None),
                    Flaw::AwayIsForgotten => return Err(EngineError::Forgotten),
                    _ => {}
                }
            }
            let record = loaded.map_err(|error| self.error(error))?;
            let told = |record: Record| Record {
                revision: self.told(&name, record.revision),
                ..record
            };
            let hides =
                |record: &Record| self.flaw == Flaw::EmptyIsAbsent && record.value.is_empty();
            Ok(record.filter(|record| !hides(record)).map(told))
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(async move {
            let (name, value) = (self.name(name), self.bytes(value, Flaw::ValuesAsText));
            let expected = expected.map(|told| self.real(&name, told));
            let known = self.shared.records.lock().unwrap().get(&name).copied();
            let ttl = self.ttl(known, expected, ttl);
            let mut swapped = self.swap_flawed(&name, expected, value.clone(), ttl).await;
            if self.adopts(is_forgotten(&swapped)).await {
                swapped = self.swap_flawed(&name, expected, value.clone(), ttl).await;
            }
            match &swapped {
                Err(EngineError::Forgotten) if self.flaw == Flaw::ForgottenIsDone => {
                    drop(self.stranger.swap(&name, None, value, ttl).await);
                }
                Err(EngineError::Unknown(_)) if self.flaw == Flaw::RestartIsAConflict => {
                    return Ok(Swapped::Conflict);
                }
                _ => {}
            }
            let swapped = swapped.map_err(|error| self.error(error))?;
            let Swapped::Done(revision) = swapped else {
                return Ok(swapped);
            };
            let known = Known {
                end: ttl.map(|ttl| Instant::now() + ttl),
                ttl,
                revision: Some(revision),
            };
            self.shared
                .records
                .lock()
                .unwrap()
                .insert(name.clone(), known);
            Ok(Swapped::Done(self.told(&name, revision)))
        })
    }
}
