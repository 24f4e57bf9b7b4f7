//! What a whole server costs on `hangup`, beside the same server by hand: axum, server-sent
//! events, over loopback.
//!
//! `cargo run --release -p hangup-e2e` prints all rows, `-- PART...` those whose names contain one
//! of these, `-- --json` an object on each line. What each row is stands in `benches/README.md`.

mod mode;
mod events;
mod server;
mod client;
mod scale;
mod contest;
mod row;
mod rounds;
mod kernel;
mod pair;
mod instructions;
mod cpu;
mod memory;
mod latency;
mod shutdown;
mod bench;

use std::env;

use mode::Mode;

fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", mode] => server::serve(Mode::named(mode)),
        ["client", addr] => client::run(addr.parse().expect("an address"), None),
        ["client", addr, server] => {
            let server = server.parse().expect("the id of a process");
            client::run(addr.parse().expect("an address"), Some(server))
        }
        _ => {
            bench::print(&arguments);
            Ok(())
        }
    }
}
