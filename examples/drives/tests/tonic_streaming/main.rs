//! The gRPC service on tonic. The clients are tonic's.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hangup_drives::http::count_becomes;
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, Reader, Report, Server, build};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};
use tonic::transport::{Channel, Error};
use tonic::{Code, Status, Streaming};
use tonic_streaming::{ChatClient, Message, WatchRequest, WatchersRequest};

use gate::Gate;
use go_away::GoAway;

mod gate;
mod go_away;

/// Larger than the window of a stream that is not read.
const FILL: [usize; 2] = [48, 256 * 1024];
/// How long one message may take to be accepted.
const PUBLISH: Duration = Duration::from_secs(1);

/// It notices that clients have gone only when it sends to them. One open stream keeps it from
/// ever exiting, and no stream is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let report = drive(&build("tonic-streaming-plain"), plan).await;
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
    assert_eq!(report.late, Answer::Accepted);
}

/// What it counts falls to none once something is published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_notices_when_it_sends() {
    let plan = Plan::default();
    let server = Server::start(&build("tonic-streaming-plain"), plan.drain)
        .await
        .unwrap();
    let addr = server.addr;
    let gone = watch(addr, plan.readers).await;
    drop(gone);
    let readers = plan.readers as u64;
    assert_eq!(
        count_becomes(0, plan.gone, || watchers(addr)).await,
        readers
    );
    publish(addr, "hello").await.unwrap();
    assert_eq!(count_becomes(0, plan.gone, || watchers(addr)).await, 0);
}

/// With the layer, and an undo instead of the line after the loop, it meets all that is asked of
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let report = drive(&build("tonic-streaming"), Plan::default()).await;
    println!("{report:?}");
    assert_eq!(report.unmet(), [], "{report:?}");
}

async fn drive(binary: &Path, plan: Plan) -> Report {
    let mut server = Server::start(binary, plan.drain).await.unwrap();
    let addr = server.addr;

    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn(come_and_vanish(addr, plan, number));
    }
    clients.join_all().await;
    let mut left = count_becomes(0, plan.gone, || watchers(addr)).await;
    if left == 0 {
        let mut dice = plan.dice(plan.clients);
        for reader in watch(addr, plan.readers).await {
            sleep(dice.life()).await;
            drop(reader);
        }
        left = count_becomes(0, plan.gone, || watchers(addr)).await;
    }

    let readers: Vec<_> = watch(addr, plan.readers)
        .await
        .into_iter()
        .map(|stream| Reader::spawn(read(stream)))
        .collect();
    // It is there, and is not read from.
    let _stopped = watch(addr, 1).await;
    let counted = count_becomes(plan.everyone(), plan.gone, || watchers(addr)).await;
    let [messages, size] = FILL;
    let text = "x".repeat(size);
    for _ in 0..messages {
        // A server that waits for the slowest client accepts no more.
        if timeout(PUBLISH, publish(addr, &text)).await.is_err() {
            break;
        }
    }

    let gate = Gate::default();
    let mut client = ChatClient::new(gate.connect(addr).await.unwrap());
    client.watchers(WatchersRequest {}).await.unwrap();
    // Its client does not know that the server shuts down: what says so is still on the way.
    gate.close();
    let go_away = GoAway::connect(addr).await.unwrap();
    let endings = || readers.iter().map(Reader::ending).collect::<Vec<_>>();
    let mut terminated = server.terminate();
    terminated.under_way(&endings, go_away.comes()).await;
    let request = tokio::spawn(async move { client.watch(WatchRequest::default()).await });
    gate.has_sent().await;
    gate.open();
    let late = match timeout_at(terminated.deadline, request).await {
        Err(_) => Answer::None,
        Ok(answer) => match answer.unwrap() {
            Ok(_) => Answer::Accepted,
            Err(status) if is_goodbye(&status) => Answer::Refused,
            Err(status) => Answer::Other(status.to_string()),
        },
    };
    let exit = terminated.exit().await.unwrap();
    let endings = terminated.endings(endings).await;
    Report {
        left,
        counted,
        exit,
        endings,
        late,
    }
}

/// One client after the other, each dropped at a random moment.
async fn come_and_vanish(addr: SocketAddr, plan: Plan, number: u64) {
    let mut dice = plan.dice(number);
    for life in 0..plan.lives {
        // It lives for so long, or until the server ends it.
        drop(timeout(dice.life(), live(addr)).await);
        if number == life {
            publish(addr, "hello").await.unwrap();
        }
    }
}

async fn live(addr: SocketAddr) -> Result<(), Status> {
    let mut client = client(addr)
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let mut stream = client.watch(WatchRequest::default()).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

async fn client(addr: SocketAddr) -> Result<ChatClient<Channel>, Error> {
    ChatClient::connect(format!("http://{addr}")).await
}

async fn watchers(addr: SocketAddr) -> u64 {
    let mut client = client(addr).await.unwrap();
    let reply = client.watchers(WatchersRequest {}).await.unwrap();
    reply.into_inner().count
}

async fn publish(addr: SocketAddr, text: &str) -> Result<(), Error> {
    let text = text.to_owned();
    client(addr).await?.publish(Message { text }).await.unwrap();
    Ok(())
}

/// So many streams that are open, each on a connection of its own.
async fn watch(addr: SocketAddr, clients: usize) -> Vec<Streaming<Message>> {
    let mut streams = Vec::new();
    for number in 0..clients {
        let mut client = client(addr).await.unwrap();
        let name = format!("reader {number}");
        let stream = client.watch(WatchRequest { name }).await.unwrap();
        streams.push(stream.into_inner());
    }
    streams
}

async fn read(mut stream: Streaming<Message>) -> Ending {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ending::Complete,
            Err(status) if is_goodbye(&status) => return Ending::Goodbye,
            Err(_) => return Ending::Cut,
        }
    }
}

/// The server has said `UNAVAILABLE`. A client says so by itself as well, if its connection fails:
/// then there is an error that caused it.
fn is_goodbye(status: &Status) -> bool {
    status.code() == Code::Unavailable && std::error::Error::source(status).is_none()
}
