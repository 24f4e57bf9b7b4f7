//! The client: raw sockets, each of which reads what it is sent. It does what it is told on its
//! input, a line each, and answers with a line; it ends with its input, or if an order takes too
//! long.
//!
//! | order | what it does |
//! |---|---|
//! | `open N` | opens so many streams, and waits for the first event of each |
//! | `publish N` | so many events, each when all streams have the one before it |
//! | `churn N` | so many times: opens a stream, waits for its first event, disconnects |
//! | `open_stop N` | so many times: opens a stream, has the server end it, reads it to its end |
//! | `settle` | waits until the server has no connection left but the open streams |
//! | `latency N RATE` | as `publish`, while so many streams a second are opened and left |
//! | `end` | waits until all streams have their farewell |

mod asleep;
mod socket;
mod tally;
mod control;
mod streams;
mod latency;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use asleep::Asleep;
use control::Control;
use streams::Streams;

/// No order takes longer.
const LONGEST: Duration = Duration::from_secs(300);

/// With the id of the server's process it takes each step when that sleeps.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(addr: SocketAddr, server: Option<u32>) -> io::Result<()> {
    let (order, mut orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines() {
            let line = line.expect("an order is text");
            if order.blocking_send(line).is_err() {
                break;
            }
        }
    });
    let mut streams = Streams::new(addr, Asleep(server));
    let mut control = Control::connect(addr).await?;
    while let Some(line) = orders.recv().await {
        let answer = timeout(LONGEST, obey(&line, &mut streams, &mut control)).await??;
        let mut out = io::stdout();
        writeln!(out, "{answer}").and_then(|()| out.flush())?;
    }
    Ok(())
}

async fn obey(line: &str, streams: &mut Streams, control: &mut Control) -> io::Result<String> {
    let words: Vec<_> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    match words[0] {
        "open" => streams.open(number(1)).await?,
        "publish" => {
            for _ in 0..number(1) {
                streams.publish(control).await?;
            }
        }
        "churn" => streams.churn(number(1)).await?,
        "open_stop" => streams.open_stop(number(1), control).await?,
        "settle" => streams.settle(control).await?,
        "latency" => return latency::measure(streams, control, number(1), number(2)).await,
        "end" => streams.ended().await,
        _ => panic!("no order: {line}"),
    }
    Ok("done".to_owned())
}
