//! Hints arrive, as long as nothing is broken.

use super::bench::Bench;
use super::contents::values;
use super::outcome::{Checked, Text, ensure};
use super::waiting::both;
use crate::engine::HintStream;

const HINTS: u32 = 100;

/// The hints have to be these, in this order.
async fn hears(bench: &Bench<'_>, listener: &mut HintStream, expected: &[Vec<u8>]) -> Checked {
    for expected in expected {
        let hint = bench.hint(listener).await?;
        ensure!(
            hint == *expected,
            "a listener hears {} instead of {}",
            Text(&hint),
            Text(expected)
        );
    }
    Ok(())
}

pub(super) async fn hints_arrive_once_and_in_order(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let inbox = bench.name("inbox");
    let mut listener = b.listen(&inbox).await?;
    let hints: Vec<_> = (0..HINTS).map(|n| n.to_string().into_bytes()).collect();
    let send = async {
        for hint in &hints {
            a.send(&inbox, hint.clone()).await?;
        }
        Checked::Ok(())
    };
    let (sent, heard) = both(send, hears(bench, &mut listener, &hints)).await;
    sent?;
    heard?;
    // One more: no hint comes twice.
    a.send(&inbox, b"last".to_vec()).await?;
    hears(bench, &mut listener, &[b"last".to_vec()]).await
}

/// What is sent when `listen` has answered arrives, every time.
pub(super) async fn a_listener_that_has_answered_hears(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    for round in 0..30 {
        let inbox = bench.name(&format!("inbox-{round}"));
        let mut listener = b.listen(&inbox).await?;
        a.send(&inbox, b"hint".to_vec()).await?;
        hears(bench, &mut listener, &[b"hint".to_vec()]).await?;
    }
    Ok(())
}

pub(super) async fn hints_of_before_are_not_heard(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let inbox = bench.name("inbox");
    // Without a listener it is lost, and no error. It may still be on its way to those that listen
    // soon.
    a.send(&inbox, b"early".to_vec()).await?;
    let mut first = b.listen(&inbox).await?;
    a.send(&inbox, b"first".to_vec()).await?;
    let mut hint = bench.hint(&mut first).await?;
    if hint == b"early" {
        hint = bench.hint(&mut first).await?;
    }
    ensure!(hint == b"first", "a listener hears {}", Text(&hint));
    // What one has heard is on its way no more.
    let mut second = b.listen(&inbox).await?;
    a.send(&inbox, b"second".to_vec()).await?;
    hears(bench, &mut second, &[b"second".to_vec()]).await?;
    hears(bench, &mut first, &[b"second".to_vec()]).await
}

pub(super) async fn inboxes_are_kept_apart(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let base = bench.name("i");
    let inboxes = ["", "a", "A", "ab", "a-", "a_", "a="].map(|end| format!("{base}{end}"));
    let mut listeners = Vec::new();
    for inbox in &inboxes {
        listeners.push(b.listen(inbox).await?);
    }
    // From one sender in this order: a hint that went to a wrong inbox is heard before the last.
    for text in ["one", "two"] {
        for inbox in &inboxes {
            a.send(inbox, format!("{text} to {inbox}").into_bytes())
                .await?;
        }
    }
    for (inbox, listener) in inboxes.iter().zip(&mut listeners) {
        let expected = ["one", "two"].map(|text| format!("{text} to {inbox}").into_bytes());
        hears(bench, listener, &expected).await?;
    }
    Ok(())
}

pub(super) async fn every_listener_of_an_inbox_hears(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let inbox = bench.name("inbox");
    let mut listeners = [
        a.listen(&inbox).await?,
        a.listen(&inbox).await?,
        b.listen(&inbox).await?,
    ];
    // The sender is one of them.
    let hints = [b"1".to_vec(), b"2".to_vec(), b"3".to_vec()];
    for hint in &hints {
        a.send(&inbox, hint.clone()).await?;
    }
    for listener in &mut listeners {
        hears(bench, listener, &hints).await?;
    }
    // One that has gone takes nothing from the others.
    let [gone, mut stays, mut other] = listeners;
    drop(gone);
    a.send(&inbox, b"4".to_vec()).await?;
    hears(bench, &mut stays, &[b"4".to_vec()]).await?;
    hears(bench, &mut other, &[b"4".to_vec()]).await
}

pub(super) async fn hints_are_kept_as_they_are(bench: &Bench<'_>) -> Checked {
    let (a, b) = (bench.hints().await?, bench.hints().await?);
    let inbox = bench.name("inbox");
    let mut listener = b.listen(&inbox).await?;
    for hint in values(bench) {
        a.send(&inbox, hint.clone()).await?;
        let heard = bench.hint(&mut listener).await?;
        ensure!(
            heard == hint,
            "a hint of {} bytes is another one",
            hint.len()
        );
    }
    Ok(())
}
