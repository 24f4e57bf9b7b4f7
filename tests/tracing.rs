//! The ready observer, as a subscriber sees it.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::Stream;
use futures::stream::poll_fn;
use hangup::observers::TracingObserver;
use hangup::{CloseReason, Conflict, Registry, Scope};
use tracing::info;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what is logged while `f` runs.
fn logged(f: impl FnOnce()) -> Vec<String> {
    logged_with(FmtSpan::NONE, f)
}

/// Returns that and these events of spans.
fn logged_with(spans: FmtSpan, f: impl FnOnce()) -> Vec<String> {
    let output = Output::default();
    let writer = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .without_time()
        .with_ansi(false)
        .with_span_events(spans)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, f);
    let output = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    output
        .lines()
        .map(|line| line.trim_start().to_owned())
        .collect()
}

#[test]
fn user_code_runs_in_the_span_of_its_connection() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut id = None;
    let lines = logged(|| {
        let scope = Scope::builder().observer(TracingObserver::new()).build();
        let request = tracing::info_span!(target: "app", "request", path = "/events");
        let mut pending = request.in_scope(|| scope.open()).unwrap();
        id = Some(pending.id());
        pending.label("ada");
        let mut setup = pending.register().unwrap();
        setup.on_close(|| info!(target: "app", "undo")).unwrap();
        {
            let mut step = pin!(setup.run(async { info!(target: "app", "step") }));
            assert!(step.as_mut().poll(&mut cx).is_ready());
        }
        let live = setup.go_live().unwrap();
        let mut task = pin!(live.track(async { info!(target: "app", "task") }));
        assert!(task.as_mut().poll(&mut cx).is_ready());
        let source = poll_fn(|_| {
            info!(target: "app", "source");
            Poll::Ready(Some(1))
        });
        let mut stream = pin!(live.stream(source));
        assert!(stream.as_mut().poll_next(&mut cx).is_ready());
        info!(target: "app", "outside");
    });
    let id = id.unwrap();
    let span = format!("request{{path=\"/events\"}}:connection{{connection={id} label=\"ada\"}}");
    let of_app = lines.iter().filter(|line| line.contains("app: "));
    let of_app: Vec<_> = of_app.collect();
    let expected = [
        format!("INFO {span}: app: step"),
        format!("INFO {span}: app: task"),
        format!("INFO {span}: app: source"),
        "INFO app: outside".to_owned(),
        format!("INFO {span}: app: undo"),
    ];
    assert_eq!(of_app, expected.iter().collect::<Vec<_>>(), "{lines:#?}");
}

#[test]
fn a_span_ends_when_its_connection_has_settled() {
    let lines = logged_with(FmtSpan::CLOSE, || {
        let scope = Scope::builder().observer(TracingObserver::new()).build();
        let live = scope.live().unwrap();
        let handle = live.handle();
        let mut task = Box::pin(live.track(std::future::pending::<()>()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(task.as_mut().poll(&mut cx).is_pending());
        drop(live);
        drop(task);
        assert!(handle.try_settled().is_some());
        info!("the handle is still there");
        drop(handle);
    });
    let at = |what| lines.iter().position(|line| line.contains(what)).unwrap();
    assert!(at("hangup: settled") < at("hangup: close"), "{lines:#?}");
    assert!(at("hangup: close") < at("still there"), "{lines:#?}");
}

#[test]
fn a_connection_that_does_not_settle_is_a_warning() {
    let now = Instant::now();
    let seconds = Duration::from_secs;
    let lines = logged(|| {
        let scope = Scope::builder()
            .observer(TracingObserver::new())
            .unsettled_after(seconds(30))
            .swept_by_hand()
            .build();
        let live = scope.live().unwrap();
        let task = live.track(std::future::pending::<()>());
        live.handle().close(CloseReason::Idle).unwrap();
        for sweep in 0..9 {
            scope.sweep(now + seconds(10 * sweep));
        }
        drop(task);
    });
    let told = lines.iter().filter(|line| line.starts_with("WARN"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{lines:#?}");
    assert!(told[0].contains("unsettled connection="), "{told:?}");
    assert!(
        told[0].contains("waits_for=a task from tests/tracing.rs"),
        "{told:?}"
    );
}

#[test]
fn every_transition_is_an_event_and_every_panic_a_warning() {
    let ticks = Mutex::new(Instant::now());
    let clock = move || {
        let mut now = ticks.lock().unwrap();
        *now += Duration::from_secs(1);
        *now
    };
    let scope = Scope::builder()
        .observer(TracingObserver::new())
        .clock(clock)
        .build();
    let mut id = None;
    let lines = logged(|| {
        let workers = Registry::new(Conflict::Reject);
        // In a scope that is not observed.
        let mut other = Scope::new().open().unwrap().register().unwrap();
        other.join(&workers, "ada", ()).unwrap();
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(&workers, "ada", ()).unwrap_err();
        setup.on_close(|| panic!("no router")).unwrap();
        // Without a runtime it is abandoned.
        setup.on_close_async("pause ada", || async {}).unwrap();
        let live = setup.go_live().unwrap();
        id = Some(live.id());
        live.close(CloseReason::Idle).unwrap();
        scope.begin_drain();
        assert!(scope.open().is_err());
    });
    let expected = [
        "TRACE hangup: opened connection=ID",
        "DEBUG connection{connection=ID}: hangup: transition connection=ID from=pending to=registering lasted=1s",
        "DEBUG connection{connection=ID}: hangup: rejected connection=ID error=the key is taken",
        "DEBUG connection{connection=ID}: hangup: transition connection=ID from=registering to=live lasted=1s",
        "DEBUG connection{connection=ID}: hangup: transition connection=ID from=live to=closed reason=idle lasted=1s",
        "WARN connection{connection=ID}: hangup: undo panicked connection=ID panic=\"no router\"",
        "WARN connection{connection=ID}: hangup: undo abandoned connection=ID undo=\"pause ada\"",
        "TRACE connection{connection=ID}: hangup: settled connection=ID undos_run=2",
        "DEBUG hangup: drain event=Begun",
        "DEBUG hangup: refused error=the server is draining",
    ];
    assert_eq!(
        lines,
        expected.map(|line| line.replace("ID", &id.unwrap().to_string()))
    );
}
