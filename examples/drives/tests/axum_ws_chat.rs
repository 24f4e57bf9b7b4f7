//! The chat over WebSockets on axum. The clients are of tokio-tungstenite.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hangup_drives::http::{Late, count, count_becomes};
use hangup_drives::server::refuses;
use hangup_drives::{Answer, Demand, Ending, Exit, Plan, Reader, Report, Server, build};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Larger than what the kernel keeps for a client that does not read.
const FILL: [usize; 2] = [48, 256 * 1024];
/// How long one message may take to be accepted.
const PUBLISH: Duration = Duration::from_secs(1);
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: aGFuZ3VwIGlzIGRyaXZlbg==\r\n";

/// It exits at once, with every socket cut and none told. A socket that opens in the meantime is
/// accepted and cut as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain() {
    let plan = Plan::default();
    let report = drive(&build("axum-ws-chat-plain"), plan).await;
    println!("{report:?}");
    let unmet = [Demand::SaysGoodbye, Demand::RefusesLate];
    assert_eq!(report.unmet(), unmet, "{report:?}");
    assert!(matches!(report.exit, Exit::After(time) if time < plan.drain));
    assert_eq!(report.endings, vec![Ending::Cut; plan.readers]);
    assert_eq!(report.late, Answer::Accepted);
}

/// On a connection for each socket it meets all that is asked of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hangup() {
    let report = drive(&build("axum-ws-chat"), Plan::default()).await;
    println!("{report:?}");
    assert_eq!(report.unmet(), [], "{report:?}");
}

async fn drive(binary: &Path, plan: Plan) -> Report {
    let mut server = Server::start(binary, plan.drain).await.unwrap();
    let addr = server.addr;
    let users = || count(addr, "/users");

    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn(come_and_vanish(addr, plan, number));
    }
    clients.join_all().await;
    let mut left = count_becomes(0, plan.gone, users).await;
    if left == 0 {
        let mut dice = plan.dice(plan.clients);
        for (_sink, reader) in connect(addr, plan.readers).await {
            sleep(dice.life()).await;
            drop(reader);
        }
        left = count_becomes(0, plan.gone, users).await;
    }

    let mut readers = connect(addr, plan.readers).await;
    // It is there, and is not read from.
    let _stopped = talk(addr, "stopped").await.unwrap();
    let counted = count_becomes(plan.everyone(), plan.gone, users).await;
    let [messages, size] = FILL;
    let text = "x".repeat(size);
    for _ in 0..messages {
        // A server that waits for the slowest client accepts no more.
        let sent = timeout(PUBLISH, readers[0].0.send(text.as_str().into())).await;
        if sent.is_err() {
            break;
        }
    }
    server.is_stalled().await;

    let late = Late::begin(addr, "GET", "/chat", UPGRADE, "")
        .await
        .unwrap();
    let endings = || readers.iter().map(|it| it.1.ending()).collect::<Vec<_>>();
    let mut terminated = server.terminate();
    terminated.under_way(&endings, refuses(addr)).await;
    let late = late.finish(101, terminated.deadline).await;
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
    for _ in 0..plan.lives {
        let life = async {
            let mut socket = talk(addr, &format!("client {number}")).await?;
            socket.send("hello".into()).await?;
            while socket.next().await.transpose()?.is_some() {}
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        };
        // It lives for so long, or until the server ends it: its name is taken as long as the
        // server has not noticed that the one before has gone.
        drop(timeout(dice.life(), life).await);
    }
}

async fn talk(
    addr: SocketAddr,
    name: &str,
) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    let (mut socket, _) = connect_async(format!("ws://{addr}/chat")).await?;
    socket.send(name.into()).await?;
    Ok(socket)
}

/// So many clients that are in the chat, each with the half that it sends by.
async fn connect(addr: SocketAddr, clients: usize) -> Vec<(SplitSink<Socket, Message>, Reader)> {
    let mut readers = Vec::new();
    for number in 0..clients {
        let before = count(addr, "/users").await;
        let socket = talk(addr, &format!("reader {number}")).await.unwrap();
        let users = || count(addr, "/users");
        let now = count_becomes(before + 1, Plan::SOON, users).await;
        assert_eq!(now, before + 1);
        let (sink, stream) = socket.split();
        readers.push((sink, Reader::spawn(read(stream))));
    }
    readers
}

async fn read(mut stream: SplitStream<Socket>) -> Ending {
    let mut ending = Ending::Cut;
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Close(frame) = message {
            ending = match frame {
                Some(frame) if frame.code == CloseCode::Away => Ending::Goodbye,
                _ => Ending::Complete,
            };
        }
    }
    ending
}
