//! The ready observer, as a subscriber sees it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hangup::{CloseReason, Conflict, Registry, Scope, TracingObserver};
use tracing_subscriber::filter::LevelFilter;

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

#[test]
fn every_transition_is_an_event_and_every_panic_a_warning() {
    let output = Output::default();
    let writer = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();

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
    let id = tracing::subscriber::with_default(subscriber, || {
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
        let id = live.id();
        live.close(CloseReason::Idle).unwrap();
        scope.begin_drain();
        assert!(scope.open().is_err());
        id
    });

    let output = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = output.lines().map(str::trim_start).collect();
    let expected = [
        "TRACE hangup: opened connection=ID",
        "DEBUG hangup: transition connection=ID from=pending to=registering lasted=1s",
        "DEBUG hangup: rejected connection=ID error=the key is taken",
        "DEBUG hangup: transition connection=ID from=registering to=live lasted=1s",
        "DEBUG hangup: transition connection=ID from=live to=closed reason=idle lasted=1s",
        "WARN hangup: undo panicked connection=ID panic=\"no router\"",
        "WARN hangup: undo abandoned connection=ID undo=\"pause ada\"",
        "TRACE hangup: settled connection=ID undos_run=2",
        "DEBUG hangup: drain event=Begun",
        "DEBUG hangup: refused error=the server is draining",
    ];
    assert_eq!(
        lines,
        expected.map(|line| line.replace("ID", &id.to_string()))
    );
}
