//! The MCP server on rmcp. The clients that vanish are rmcp's; the streams that are looked at are
//! read by `curl`, since rmcp's client opens them again by itself.

use std::path::Path;

use hangup_drives::http::{Late, count_becomes};
use hangup_drives::server::refuses;
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, Report, Server, build};
use tokio::task::JoinSet;
use tokio::time::sleep;

use client::{HEADERS, come_and_vanish, count_down, ending, listen, messages, sessions};

mod client;
mod sessions;
mod undone;

/// It counts clients that have gone until their sessions have been idle for five minutes. It ends
/// its streams, as MCP has it, but waits for ever for the client that has stopped reading. A late
/// client is told that the server is broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let (report, _) = drive(&build("rmcp-server-plain"), plan, &[]).await;
    println!("{report:?}");
    let unmet = [
        Demand::CountsRight,
        Demand::ExitsInTime,
        Demand::RefusesLate,
    ];
    assert_eq!(report.unmet(), unmet, "{report:?}");
    assert_eq!(report.exit, Exit::Overdue);
    assert_eq!(report.endings, vec![Ending::Goodbye; plan.readers]);
    let broken = "http/1.1 500 internal server error".to_owned();
    assert_eq!(report.late, Answer::Other(broken));
}

/// With the layer it ends, and refuses the late client. The sessions stay rmcp's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let (report, _) = drive(&build("rmcp-server"), Plan::default(), &[]).await;
    println!("{report:?}");
    assert_eq!(report.unmet(), [Demand::CountsRight], "{report:?}");
}

/// With its sessions on the crate as well it counts right, and each of them has been undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_on_hangup() {
    let binary = build("rmcp-server-sessions");
    let (report, printed) = drive(&binary, Plan::default(), &[("IDLE_MS", 1000)]).await;
    println!("{report:?}");
    assert_eq!(report.unmet(), [], "{report:?}");
    undone::all(&printed);
}

/// Returns what the server has printed, too.
async fn drive(binary: &Path, plan: Plan, settings: &[(&str, u64)]) -> (Report, Vec<String>) {
    let server = Server::start_with(binary, plan.drain, settings).await;
    let mut server = server.unwrap();
    let addr = server.addr;
    let sessions = || sessions(addr);

    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn_blocking(move || come_and_vanish(addr, plan, number));
    }
    clients.join_all().await;
    let mut left = count_becomes(0, plan.gone, sessions).await;
    if left == 0 {
        let mut dice = plan.dice(plan.clients);
        for _ in 0..plan.readers {
            let curl = listen(addr).await;
            sleep(dice.life()).await;
            curl.kill().unwrap();
        }
        left = count_becomes(0, plan.gone, sessions).await;
    }

    let mut readers = Vec::new();
    for _ in 0..plan.readers {
        readers.push(listen(addr).await);
    }
    let stopped = count_down(addr).await;
    stopped.stop();
    let counted = count_becomes(plan.everyone(), plan.gone, sessions).await;
    server.is_stalled().await;

    let (initialize, _) = messages();
    let headers = format!("{HEADERS}content-length: {}\r\n", initialize.len());
    let late = Late::begin(addr, "POST", "/mcp", &headers, &initialize)
        .await
        .unwrap();
    let endings = || readers.iter().map(ending).collect::<Vec<_>>();
    let mut terminated = server.terminate();
    terminated.under_way(&endings, refuses(addr)).await;
    let late = late.finish(200, terminated.deadline).await;
    let exit = terminated.exit().await.unwrap();
    let endings = terminated.endings(endings).await;
    let report = Report {
        left,
        counted,
        exit,
        endings,
        late,
    };
    let printed = match report.exit {
        Exit::Overdue => Vec::new(),
        Exit::After(_) | Exit::Failed(_) => server.printed().await,
    };
    (report, printed)
}
