//! An exploration takes no longer than an ordinary test.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use hangup_test::{Client, Report, Trial, abort_everywhere};
use tokio::task::yield_now;

/// An SSE handler that waits `steps` times and then streams.
async fn events(State((trial, steps)): State<(Trial, u64)>) -> Response {
    let _session = trial.ledger().hold("session");
    for _ in 0..steps {
        yield_now().await;
    }
    let held = trial.ledger().hold("stream");
    let events = stream::iter([1, 2, 3]).chain(stream::pending());
    Sse::new(events.map(move |number| {
        let _ = &held;
        Ok::<_, Infallible>(Event::default().data(number.to_string()))
    }))
    .into_response()
}

/// How long this thread has worked: what runs beside it takes no part of that. Where the system
/// does not tell, how long it has been since `origin`.
fn worked(origin: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| origin.elapsed(), Duration::from_nanos)
}

fn explore(steps: u64) -> (Report, Duration) {
    let origin = Instant::now();
    let begun = worked(origin);
    let connect = |app, client: Client| async move {
        let response = events(State(app)).await;
        client
            .respond(response.into_body().into_data_stream())
            .await;
    };
    let report = abort_everywhere(move |trial: &Trial| (trial.clone(), steps), connect)
        .on_tokio()
        .check();
    (report, worked(origin) - begun)
}

/// These take less than 50 ms and 3 s in a debug build. A slower machine gets ten times that.
#[test]
fn ten_points_take_milliseconds_and_fifty_take_seconds() {
    for (steps, points, cases, limit) in [(4, 10, 251, 50), (44, 50, 5_251, 3_000)] {
        let all: Vec<_> = (0..3).map(|_| explore(steps)).collect();
        let took = all.iter().map(|(_, took)| *took).min().unwrap();
        println!("{points} points, {cases} cases: {took:?}");
        for (report, _) in &all {
            assert_eq!((report.points().len(), report.cases()), (points, cases));
        }
        assert!(took > Duration::ZERO, "it works on another thread");
        assert!(took < 10 * Duration::from_millis(limit), "{took:?}");
    }
}
