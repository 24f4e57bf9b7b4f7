//! The kit tests handlers of a real axum server as plain functions.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use hangup_test::{AbortEverywhere, Client, Race, Trial, abort_everywhere};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use tokio_stream::wrappers::ReceiverStream;

#[derive(Clone, Default)]
struct App {
    writers: Arc<Mutex<HashMap<String, mpsc::Sender<String>>>>,
}

impl App {
    fn has(&self, name: &str) -> bool {
        self.writers.lock().unwrap().contains_key(name)
    }
}

/// Registers a writer with a heartbeat. A task removes it at its end, but nothing ends
/// the task.
async fn leaky(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (writer, body) = mpsc::channel(8);
    sleep(Duration::from_millis(20)).await;
    app.writers.lock().unwrap().insert(name, writer.clone());
    tokio::spawn(async move {
        let mut beat = interval(Duration::from_secs(15));
        loop {
            beat.tick().await;
            // The error is ignored.
            let _: Result<_, _> = writer.send("ping".into()).await;
        }
    });
    Sse::new(ReceiverStream::new(body).map(|data| Ok(Event::default().data(data))))
}

/// The same with a guard in the body and without a heartbeat. The map has the only
/// writer, so a body ends when its writer is replaced.
async fn tidy(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    struct Remove(App, String, mpsc::WeakSender<String>);
    impl Drop for Remove {
        fn drop(&mut self) {
            let mut writers = self.0.writers.lock().unwrap();
            // Otherwise a newer writer is in its place.
            if self.2.upgrade().is_some() {
                writers.remove(&self.1);
            }
        }
    }

    let (writer, body) = mpsc::channel::<String>(8);
    sleep(Duration::from_millis(20)).await;
    let own = writer.downgrade();
    app.writers.lock().unwrap().insert(name.clone(), writer);
    let remove = Remove(app, name, own);
    Sse::new(ReceiverStream::new(body).map(move |data| {
        let _ = &remove;
        Ok(Event::default().data(data))
    }))
}

fn client_of<F>(handler: fn(State<App>, Path<String>) -> F) -> AbortEverywhere<App>
where
    F: Future + 'static,
    F::Output: IntoResponse,
{
    let server = |_: &Trial| App::default();
    let connect = move |app, client: Client| async move {
        let response: Response = handler(State(app), Path("ada".into()))
            .await
            .into_response();
        client
            .respond(response.into_body().into_data_stream())
            .await;
    };
    abort_everywhere(server, connect)
        .entry("writers", |app| app.has("ada"))
        .on_tokio()
}

#[test]
fn a_leaky_handler_leaves_its_writer_and_its_task() {
    let report = client_of(|app, name| Box::pin(leaky(app, name)))
        .explore()
        .unwrap();
    println!("{report}");
    assert!(report.races().contains(&Race::R3), "{report}");
    assert!(report.races().contains(&Race::R2), "{report}");
}

#[test]
fn a_tidy_handler_is_clean() {
    let report = client_of(|app, name| Box::pin(tidy(app, name))).check();
    println!("{report}");
    assert!(report.cases() > 20);
}
