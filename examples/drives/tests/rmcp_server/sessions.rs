//! What only sessions on the crate have: a cap, an idle limit, an end at a shutdown.

use std::time::Duration;

use hangup_drives::http::count_becomes;
use hangup_drives::{Ending, Exit, Plan, Server, build};
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{
    come_and_vanish, count_down, count_down_in, delete, ending, initialize, listen, notify, ping,
    session, sessions,
};
use crate::undone;

async fn start(settings: &[(&str, u64)]) -> Server {
    let binary = build("rmcp-server-sessions");
    let server = Server::start_with(&binary, Plan::default().drain, settings).await;
    server.unwrap()
}

/// Its exit, and that all sessions are undone.
async fn ends(mut server: Server) {
    let mut terminated = server.terminate();
    let exit = terminated.exit().await.unwrap();
    assert!(matches!(exit, Exit::After(_)), "{exit:?}");
    undone::all(&server.printed().await);
}

/// One over the cap is told to come back. When the answer to a `DELETE` is there, its session is
/// undone, so that there is room at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_is_that_of_sessions() {
    let server = start(&[("MAX_SESSIONS", 2)]).await;
    let addr = server.addr;
    let (one, two) = (session(addr).await, session(addr).await);
    let refused = initialize(addr).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("5"), "{refused:?}");
    assert_eq!(refused.header("mcp-session-id"), None, "{refused:?}");
    let transport = StreamableHttpClientTransport::from_uri(format!("http://{addr}/mcp"));
    let refused = ().serve(transport).await.unwrap_err().to_string();
    assert!(refused.contains("503"), "{refused}");
    // A refusal takes nothing from those that are there.
    assert_eq!(sessions(addr).await, 2);
    assert_eq!((ping(addr, &one).await, ping(addr, &two).await), (200, 200));

    let mut last = one;
    for _ in 0..20 {
        assert_eq!(delete(addr, &last).await, 202);
        assert_eq!(ping(addr, &last).await, 404);
        last = session(addr).await;
    }
    assert_eq!(sessions(addr).await, 2);
    ends(server).await;
}

/// A session ends when its client is silent, and when it has stopped reading, which holds up the
/// worker of rmcp; not while it reads, nor while messages come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_end() {
    let server = start(&[("IDLE_MS", 1_200)]).await;
    let addr = server.addr;
    let reader = listen(addr).await;
    let talks = session(addr).await;
    let stopped = count_down(addr).await;
    stopped.stop();
    server.is_stalled().await;
    for _ in 0..3 {
        let silent = session(addr).await;
        let deadline = Instant::now() + Plan::SOON;
        while sessions(addr).await != 2 {
            assert_eq!(notify(addr, &talks).await, 202);
            assert!(Instant::now() < deadline, "{}", sessions(addr).await);
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(ping(addr, &silent).await, 404);
    }
    assert_eq!(ending(&reader), Ending::Open);
    assert_eq!(delete(addr, &talks).await, 202);
    assert_eq!(sessions(addr).await, 1);
    ends(server).await;
}

/// A `DELETE` ends also a session whose client has stopped reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_session_is_deleted() {
    let server = start(&[]).await;
    let addr = server.addr;
    let (stopped, session) = count_down_in(addr).await;
    stopped.stop();
    server.is_stalled().await;
    assert_eq!(delete(addr, &session).await, 202);
    // Its handler too, which is in the middle of a call: not after the five seconds that rmcp
    // gives it.
    assert_eq!(count_becomes(0, Plan::SLACK, || sessions(addr)).await, 0);
    ends(server).await;
}

/// SIGTERM comes at a random moment, while clients come, vanish and come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_in_the_middle_undoes_all() {
    let plan = Plan::default();
    for round in 0..4 {
        let mut server = start(&[]).await;
        let addr = server.addr;
        let _readers = (listen(addr).await, listen(addr).await);
        let stopped = count_down(addr).await;
        stopped.stop();
        server.is_stalled().await;
        let mut clients = JoinSet::new();
        for number in 0..plan.clients {
            clients.spawn_blocking(move || come_and_vanish(addr, plan, number));
        }
        let mut dice = plan.dice(1000 + round);
        sleep(dice.life()).await;
        let mut terminated = server.terminate();
        let exit = terminated.exit().await.unwrap();
        assert!(matches!(exit, Exit::After(_)), "{exit:?}");
        undone::all(&server.printed().await);
        clients.join_all().await;
    }
}
