//! Long runs of everything that may happen, drawn by a seed.

use std::time::Duration;

use hangup::CloseReason;
use hangup_cluster::OnLapse;
use hangup_cluster::memory::Fate;

use crate::setting::{Connection, LEASE, Setting, end};

/// Numbers that a seed determines.
struct Draw(u64);

impl Draw {
    /// Below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What may go wrong in a run.
#[derive(Clone, Copy)]
struct Faults {
    /// Of a hundred calls, so many have an answer that is lost, or come late.
    lost: u64,
    stops: bool,
    cuts: bool,
}

fn soak(seed: u64, faults: Faults) {
    let mut draw = Draw(seed);
    let setting = Setting::new(3);
    for node in &setting.nodes {
        let seed = draw.below(1 << 30);
        node.link.fates(move |call| {
            let mut draw = Draw(seed ^ call.number.wrapping_mul(0x9e37_79b9));
            draw.below(3);
            match draw.below(100) {
                at if at >= faults.lost => Fate::Answer,
                at => match at % 4 {
                    0 => Fate::Lose { applied: false },
                    1 => Fate::Lose { applied: true },
                    2 => Fate::DelayAnswer(Duration::from_millis(draw.below(200))),
                    _ => Fate::Late(Duration::from_millis(draw.below(3000))),
                },
            }
        });
    }
    let mut connections: Vec<Connection> = Vec::new();
    let mut stopped = [false; 3];
    for _ in 0..60 {
        let node = usize::try_from(draw.below(3)).unwrap();
        match draw.below(10) {
            0..=4 => {
                let on_lapse = match draw.chance(50) {
                    true => OnLapse::Close,
                    false => OnLapse::Hold(Duration::from_secs(20)),
                };
                connections.push(setting.connect_with(node, on_lapse));
            }
            5 | 6 if !connections.is_empty() => {
                let index = draw.below(connections.len().try_into().unwrap());
                let connection = &connections[usize::try_from(index).unwrap()];
                end(&connection.handle, CloseReason::Dropped);
            }
            7 if faults.stops && !stopped[node] => {
                stopped[node] = true;
                setting.stop(node);
            }
            7 if stopped[node] => {
                stopped[node] = false;
                setting.go_on(node);
            }
            8 if faults.cuts => match draw.chance(50) {
                true => setting.nodes[node].link.cut(),
                false => setting.nodes[node].link.heal(),
            },
            _ => setting.pass(Duration::from_millis(draw.below(1500))),
        }
        setting.world.run();
        setting.resource.assert_sound();
    }
    for (node, it) in setting.nodes.iter().enumerate() {
        setting.go_on(node);
        it.link.heal();
        it.link.behave();
    }
    setting.pass(LEASE * 4);
    setting.resource.assert_sound();
    let live = connections.iter().filter(|it| it.handle.state().is_live());
    assert!(live.count() <= 1, "two owners at rest");
    // Whatever was, the key can be claimed.
    let last = setting.connect(0);
    setting.pass(LEASE * 3);
    assert!(last.handle.state().is_live(), "the key is stuck");
    connections.push(last);
    setting.assert_nothing_is_left(&connections);
}

fn soak_all(seeds: u64, faults: Faults) {
    let more = if std::env::var_os("HANGUP_LONG").is_some() {
        50
    } else {
        1
    };
    for seed in 0..seeds * more {
        let run = || soak(seed, faults);
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("seed {seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn nothing_is_lost_where_nothing_fails() {
    soak_all(
        100,
        Faults {
            lost: 0,
            stops: false,
            cuts: false,
        },
    );
}

#[test]
fn nothing_is_lost_where_answers_are() {
    soak_all(
        100,
        Faults {
            lost: 20,
            stops: false,
            cuts: false,
        },
    );
}

#[test]
fn nothing_is_lost_where_nodes_are_cut_off() {
    soak_all(
        100,
        Faults {
            lost: 5,
            stops: false,
            cuts: true,
        },
    );
}

#[test]
fn nothing_is_lost_where_nodes_stand_still() {
    soak_all(
        100,
        Faults {
            lost: 5,
            stops: true,
            cuts: true,
        },
    );
}
