//! What the ready observer records, as Prometheus reads it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hangup::observers::MetricsObserver;
use hangup::report::Stats;
use hangup::{CloseReason, Conflict, Handle, Observer, Phase, Registry, Scope};
use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_parse::{Scrape, Value};
use proptest::prelude::{Rng, RngCore};
use proptest::test_runner::{RngAlgorithm, TestRng};

/// The samples by name and labels, as they are written.
struct Scraped(BTreeMap<String, f64>);

impl Scraped {
    /// The sum of the samples of this name with all of these labels.
    fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let samples = self.0.iter().filter(|(sample, _)| {
            let (of, rest) = sample.split_once('{').unwrap();
            of == name && labels.iter().all(|label| rest.contains(label))
        });
        let sum: f64 = samples.map(|(_, value)| value).sum();
        assert!(sum >= 0.0 && sum.fract() == 0.0, "{name}: {sum}");
        sum as u64
    }
}

/// Runs `f` with a recorder of its own, and returns what it has recorded then.
fn scraped<T>(f: impl FnOnce() -> T) -> (T, Scraped) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let value = metrics::with_local_recorder(&recorder, f);
    let text = recorder.handle().render();
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let samples = Scrape::parse(lines).unwrap().samples;
    let samples = samples.into_iter().map(|sample| {
        let value = match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
            // The count of a summary has a sample of its own.
            Value::Histogram(_) | Value::Summary(_) => 0.0,
        };
        let labels: BTreeMap<_, _> = sample.labels.iter().collect();
        (format!("{}{labels:?}", sample.metric), value)
    });
    (value, Scraped(samples.collect()))
}

fn reasons(stats: &Stats, reason: &str, phase: Phase) -> u64 {
    let closed = stats.closed.iter();
    let of_it = closed.filter(|(closed, _)| {
        let name = closed.reason.to_string();
        closed.from == phase && name.split('(').next() == Some(reason)
    });
    of_it.map(|(_, count)| count).sum()
}

#[test]
fn the_numbers_are_those_of_the_stats_after_10_000_random_lifecycles() {
    let ((stats, _open), scraped) = scraped(|| {
        let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let scope = Scope::builder()
            .observer(MetricsObserver::of("events"))
            .clock(Instant::now)
            .max_connections(50)
            .build();
        let workers = Registry::new(Conflict::Reject);
        let mut open = Vec::new();
        let mut handles: Vec<Handle> = Vec::new();
        let mut opened = 0;
        while opened < 10_000 {
            let Ok(pending) = scope.open() else {
                drop(open.swap_remove(random.random_range(0..open.len())));
                continue;
            };
            opened += 1;
            handles.push(pending.handle());
            if random.random_bool(0.1) {
                continue;
            }
            let mut setup = pending.register().unwrap();
            let _: Result<_, _> = setup.join(&workers, random.next_u32() % 60, ());
            for _ in 0..random.random_range(0..3) {
                setup.on_close(|| ()).unwrap();
            }
            if random.random_bool(0.01) {
                setup.on_close(|| panic!("an undo")).unwrap();
            }
            if random.random_bool(0.01) {
                // Without a runtime it is abandoned.
                setup.on_close_async("pause", || async {}).unwrap();
            }
            if random.random_bool(0.1) {
                continue;
            }
            let live = setup.go_live().unwrap();
            match random.random_range(0..4) {
                0 => drop(live),
                1 => live.close(CloseReason::Idle).unwrap(),
                2 => live
                    .close(CloseReason::App(random.next_u32() as u16 % 9))
                    .unwrap(),
                _ => open.push(live),
            }
        }
        scope.begin_drain();
        assert!(scope.open().is_err());
        (scope.stats(), open)
    });
    let phases = [Phase::Pending, Phase::Registering, Phase::Live];
    let mut closed = 0;
    for phase in phases {
        let label = format!("\"phase\": \"{phase}\"");
        for reason in ["dropped", "idle", "app", "rejected", "completed"] {
            let labels = [&*label, &format!("\"reason\": \"{reason}\"")];
            let count = scraped.sum("hangup_closed_total", &labels);
            assert_eq!(count, reasons(&stats, reason, phase), "{reason} {phase}");
            closed += count;
        }
    }
    let sum = |name| scraped.sum(name, &["\"scope\": \"events\""]);
    assert_eq!(closed, stats.closed.values().sum::<u64>());
    assert_eq!(sum("hangup_closed_total"), closed);
    assert_eq!(sum("hangup_opened_total"), 10_000);
    assert_eq!(10_000, closed + stats.open() as u64);
    let gauge = |phase| scraped.sum("hangup_connections", &[&format!("\"phase\": \"{phase}\"")]);
    assert_eq!(gauge("live"), stats.live as u64);
    assert!(
        stats.live > 0 && stats.panics > 0 && stats.undos_abandoned > 0,
        "{stats:?}"
    );
    for phase in ["pending", "registering", "settling"] {
        assert_eq!(gauge(phase), 0, "{phase}");
    }
    assert_eq!(sum("hangup_undos_total"), stats.undos_run);
    assert_eq!(sum("hangup_panics_total"), stats.panics);
    assert_eq!(sum("hangup_undos_abandoned_total"), stats.undos_abandoned);
    let refused = |reason| scraped.sum("hangup_refused_total", &[reason]);
    assert_eq!(refused("\"full\""), stats.refused_full);
    assert_eq!(refused("\"draining\""), stats.refused_draining);
    assert_eq!(sum("hangup_draining"), 1);
    assert!(scraped.sum("hangup_rejected_total", &["\"reason\": \"taken\""]) > 0);
    // A phase that has ended is a sample of the histogram.
    let ended = scraped.sum("hangup_phase_seconds_count", &["\"live\""]);
    assert_eq!(ended, phases_ended(&stats));
}

fn phases_ended(stats: &Stats) -> u64 {
    let closed = stats.closed.iter();
    let of_live = closed.filter(|(closed, _)| closed.from == Phase::Live);
    of_live.map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_drain_and_what_does_not_settle_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let observer = MetricsObserver::new();
    observer.describe();
    let scope = Scope::builder()
        .observer(observer)
        .unsettled_after(Duration::from_secs(1))
        .build();
    let live = scope.live().unwrap();
    let mut stuck = scope.open().unwrap().register().unwrap();
    stuck
        .on_close_async("pause", std::future::pending::<()>)
        .unwrap();
    let stuck = stuck.go_live().unwrap();
    let stream = live.stream(futures::stream::pending::<()>());
    let drain = scope.drain(Duration::from_secs(10)).await.unwrap();
    assert_eq!((drain.closed, drain.forced), (1, 1), "{drain:?}");
    drop((stream, stuck));
    let text = handle.render();
    for line in [
        "# HELP hangup_draining Whether a drain has begun",
        "hangup_draining 1",
        "hangup_drained_total{outcome=\"closed\"} 1",
        "hangup_drained_total{outcome=\"forced\"} 1",
        "hangup_unsettled_total 1",
        "hangup_connections{phase=\"settling\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
}

#[test]
fn a_pair_of_observers_is_one_and_a_panic_of_the_first_stops_nothing() {
    struct Panics;
    impl Observer for Panics {
        fn on_open(&self, _: &Handle) {
            panic!("first");
        }

        fn on_transition(&self, _: &Handle, _: &hangup::report::Transition) {
            panic!("first");
        }
    }
    let (_, scraped) = scraped(|| {
        let observer = (Panics, MetricsObserver::new());
        let scope = Scope::builder().observer(observer).build();
        drop(scope.live().unwrap());
    });
    assert_eq!(scraped.sum("hangup_opened_total", &[]), 1);
    assert_eq!(scraped.sum("hangup_closed_total", &["\"dropped\""]), 1);
}
