//! Server-sent events on actix-web.

use std::time::Duration;

use hangup_drives::sse::{Routes, drive};
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, build};

const ROUTES: Routes = Routes {
    events: "/events",
    messages: "/messages",
    users: "/users",
};

/// It counts clients that have gone until it pings them, and the ping waits for the one that has
/// stopped reading. Open streams keep it from exiting in time, and no stream is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let binary = build("actix-sse-plain");
    let report = drive(&binary, ROUTES, plan).await.unwrap();
    println!("{report:?}");
    let unmet = [
        Demand::CountsRight,
        Demand::ExitsInTime,
        Demand::SaysGoodbye,
        Demand::RefusesLate,
    ];
    assert_eq!(report.unmet(), unmet, "{report:?}");
    assert_eq!(report.exit, Exit::Overdue);
    assert_eq!(report.endings, vec![Ending::Open; plan.readers]);
    // A stream that opens during the shutdown.
    assert_eq!(report.late, Answer::Accepted);
}

/// On a connection for each stream it meets all that is asked of it. It notices that a client has
/// gone as the plain form does, when it pings it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let binary = build("actix-sse");
    let gone = Duration::from_secs(30);
    let plan = Plan {
        gone,
        ..Plan::default()
    };
    let report = drive(&binary, ROUTES, plan).await.unwrap();
    println!("{report:?}");
    assert_eq!(report.unmet(), [], "{report:?}");
}
