//! The chat over server-sent events on axum.

use hangup_drives::sse::{Routes, drive};
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, build};

const ROUTES: Routes = Routes {
    events: "/events?name=ada",
    messages: "/messages",
    users: "/users",
};

/// One open stream keeps it from ever exiting, and no stream is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let binary = build("axum-sse-chat-plain");
    let report = drive(&binary, ROUTES, plan).await.unwrap();
    println!("{report:?}");
    let unmet = [
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

/// With the layer it meets all that is asked of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let binary = build("axum-sse-chat");
    let report = drive(&binary, ROUTES, Plan::default()).await.unwrap();
    println!("{report:?}");
    assert_eq!(report.unmet(), [], "{report:?}");
}
