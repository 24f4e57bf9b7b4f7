//! No call waits longer than its bound for an engine that does not answer.

use super::bench::{Bench, holds, write};
use super::outcome::{Checked, Stop, ensure};
use super::waiting::both;
use crate::engine::EngineError;

/// The answer of a call that cannot have been answered.
fn is_unknown<T>(what: &str, answer: Result<T, EngineError>) -> Checked {
    match answer {
        Err(EngineError::Unknown(_)) => Ok(()),
        Ok(_) => Err(Stop::Failed(format!(
            "{what} is answered by an engine that is away"
        ))),
        Err(error) => Err(Stop::Failed(format!(
            "{what} of an engine that is away fails, as if there was an answer: {error}"
        ))),
    }
}

pub(super) async fn every_call_is_bounded_while_the_engine_is_away(bench: &Bench<'_>) -> Checked {
    let node = bench.node().await?;
    let (record, topic) = (bench.name("record"), bench.name("topic"));
    let first = match &node.claims {
        Some(claims) => Some(write(&**claims, &record, None, b"first", None).await?),
        None => None,
    };
    let end = match &node.log {
        Some(log) => Some(log.end(&topic).await?),
        None => None,
    };
    bench.pause().await?;
    // All at once, since each takes its time.
    let of_claims = async {
        let Some(claims) = &node.claims else {
            return Checked::Ok(());
        };
        let (read, written) = both(
            both(claims.load(&record), claims.adopt()),
            claims.swap(&record, first, b"second".to_vec(), None),
        )
        .await;
        is_unknown("load", read.0)?;
        is_unknown("adopt", read.1)?;
        is_unknown("swap", written)
    };
    let of_log = async {
        let (Some(log), Some(end)) = (&node.log, end) else {
            return Checked::Ok(());
        };
        let (places, (published, read)) = both(
            both(log.end(&topic), log.start(&topic)),
            both(
                log.publish(&topic, &topic, b"item".to_vec()),
                log.read(&topic, end),
            ),
        )
        .await;
        is_unknown("end", places.0)?;
        is_unknown("start", places.1)?;
        is_unknown("publish", published)?;
        // A stream may meet the engine later.
        read.map_or_else(|error| is_unknown::<()>("read", Err(error)), |_| Ok(()))
    };
    let of_hints = async {
        let Some(hints) = &node.hints else {
            return Checked::Ok(());
        };
        // Both may be left for later: hints may be lost.
        let inbox = bench.name("inbox");
        let (sent, listened) =
            both(hints.send(&inbox, b"hint".to_vec()), hints.listen(&inbox)).await;
        for answer in [sent, listened.map(drop)] {
            answer.or_else(|error| is_unknown::<()>("a hint", Err(error)))?;
        }
        Ok(())
    };
    let calls = both(both(of_claims, of_log), of_hints);
    let answered = bench
        .within("a call of an engine that is away", calls)
        .await;
    bench.resume().await?;
    let ((of_claims, of_log), of_hints) = answered?;
    of_claims?;
    of_log?;
    of_hints?;
    works_again(bench, &node, &record).await
}

/// A node is as it was when the engine answers again.
async fn works_again(bench: &Bench<'_>, node: &super::Node, record: &str) -> Checked {
    if let Some(claims) = &node.claims {
        let found = bench.again("a load", || claims.load(record)).await?;
        let is_known = found
            .as_ref()
            .is_some_and(|found| found.value == b"first" || found.value == b"second");
        ensure!(is_known, "the record is lost while the engine was away");
        let other = bench.name("other");
        let revision = write(&**claims, &other, None, b"other", None).await?;
        holds(&**claims, &other, revision, b"other").await?;
    }
    if let Some(log) = &node.log {
        let topic = bench.name("other");
        let end = bench.again("an end", || log.end(&topic)).await?;
        let cursor = log.publish(&topic, &topic, b"other".to_vec()).await?;
        bench
            .reads(&**log, &topic, end, &[(cursor, b"other".to_vec())])
            .await?;
    }
    Ok(())
}
