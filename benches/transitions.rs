//! What a connection costs: `cargo bench`.
//!
//! Machines differ and drift: compare within one run.

use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use criterion::{BatchSize, Criterion};
use futures::Stream;
use futures::stream;
use hangup::{CloseReason, Conflict, Registry, Scope};

fn lifecycle(c: &mut Criterion) {
    let scope = Scope::new();
    let mut group = c.benchmark_group("lifecycle");
    group.bench_function("bare", |b| {
        b.iter(|| {
            let live = scope.open().unwrap().register().unwrap().go_live().unwrap();
            black_box(live).close(CloseReason::Completed)
        });
    });
    group.bench_function("with one undo", |b| {
        b.iter(|| {
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.on_close(|| ());
            black_box(setup.go_live().unwrap()).close(CloseReason::Completed)
        });
    });
    let registry = Registry::<u64, ()>::new(Conflict::Share { max_per_key: 8 });
    group.bench_function("in one registry", |b| {
        let mut key = 0;
        b.iter(|| {
            key += 1;
            let mut setup = scope.open().unwrap().register().unwrap();
            setup.join(&registry, key, ()).unwrap();
            black_box(setup.go_live().unwrap()).close(CloseReason::Completed)
        });
    });
    group.finish();
}

const ITEMS: usize = 1000;

fn drain(stream: impl Stream<Item = usize>) -> usize {
    let mut stream = Box::pin(stream);
    let mut cx = Context::from_waker(Waker::noop());
    let mut sum = 0;
    while let Poll::Ready(Some(item)) = Pin::as_mut(&mut stream).poll_next(&mut cx) {
        sum += item;
    }
    sum
}

fn ready_items(c: &mut Criterion) {
    let scope = Scope::new();
    let mut group = c.benchmark_group("1000 ready items");
    group.bench_function("bare", |b| {
        b.iter(|| drain(stream::iter(black_box(0..ITEMS))));
    });
    group.bench_function("live", |b| {
        b.iter_batched(
            || scope.open().unwrap().register().unwrap().go_live().unwrap(),
            |live| drain(live.stream(stream::iter(black_box(0..ITEMS)))),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn pending_polls(c: &mut Criterion) {
    let live = Scope::new()
        .open()
        .unwrap()
        .register()
        .unwrap()
        .go_live()
        .unwrap();
    let mut body = Box::pin(live.stream(stream::pending::<usize>()));
    let mut cx = Context::from_waker(Waker::noop());
    c.bench_function("1000 pending polls", |b| {
        b.iter(|| {
            for _ in 0..ITEMS {
                assert!(black_box(body.as_mut().poll_next(&mut cx)).is_pending());
            }
        });
    });
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    lifecycle(&mut c);
    ready_items(&mut c);
    pending_polls(&mut c);
    c.final_summary();
}
