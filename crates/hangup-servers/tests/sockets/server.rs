//! The servers, each as it is served and shut down in the wild.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hangup::report::DrainReport;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::SOON;
use crate::app::{App, Plan};
use crate::ask::{Ask, Shape, Source};
use crate::client::Client;
use crate::seen::{Ended, Seen};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    /// `axum::serve`.
    Axum,
    /// Bare hyper, HTTP/1.1.
    One,
    /// Bare hyper, HTTP/2 with prior knowledge.
    Two,
}

/// How much the kernel keeps for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// As little as it allows: for who does not read.
    Tiny,
    /// A packet or two: for who reads slowly.
    Small,
}

impl Buffers {
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Tiny => 1,
            Self::Small => 128 * 1024,
        }
    }
}

/// How a shutdown goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// First the drain of the scope, then the graceful shutdown of the server.
    DrainFirst,
    /// Both at once.
    Together,
}

pub(crate) struct Server {
    http: Http,
    buffers: Buffers,
    addr: SocketAddr,
    pub(crate) app: Arc<App>,
    stop: oneshot::Sender<Stop>,
    served: JoinHandle<Option<DrainReport>>,
}

/// The order to shut down.
#[derive(Debug, Clone, Copy)]
struct Stop {
    how: Shutdown,
    deadline: Duration,
}

impl Server {
    pub(crate) async fn start(http: Http, plan: Plan) -> Self {
        Self::start_with(http, plan, Buffers::Small).await
    }

    pub(crate) async fn start_with(http: Http, plan: Plan, buffers: Buffers) -> Self {
        let app = App::new(plan);
        let listener = listen(buffers);
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&app);
        let served = match http {
            Http::Axum => tokio::spawn(serve_axum(listener, serving, stopped)),
            Http::One | Http::Two => tokio::spawn(serve_hyper(http, listener, serving, stopped)),
        };
        let server = Self {
            http,
            buffers,
            addr,
            app,
            stop,
            served,
        };
        let serving = server.serving_tasks();
        server.until("up", |seen| seen.tasks == serving).await;
        server
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The tasks of a server without connections: axum has one for the signal of the
    /// shutdown.
    fn serving_tasks(&self) -> usize {
        match self.http {
            Http::Axum => 2,
            Http::One | Http::Two => 1,
        }
    }

    pub(crate) async fn open(&self, shape: Shape, source: Source) -> Client {
        let ask = Ask { shape, source };
        Client::open(self.http, self.addr, ask, self.buffers).await
    }

    /// A client that has been greeted.
    pub(crate) async fn connect(&self, shape: Shape, source: Source) -> Client {
        let mut client = self.open(shape, source).await;
        client.expect("connected\n").await;
        client
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Seen {
        self.app.until(what, holds).await
    }

    /// Waits until all that came have gone without a trace, and looks whether they are
    /// `closed`.
    pub(crate) async fn until_nothing_is_left(self, closed: &[Ended]) {
        let idle = self.serving_tasks() + self.app.sweeping_tasks();
        self.app.until_nothing_is_left(idle, closed).await;
        drop(self.stop);
        self.served.await.unwrap();
        until_forgotten(self.app).await;
    }

    /// Shuts down, and returns how that went when the server has ended.
    pub(crate) async fn shut_down(self, how: Shutdown, deadline: Duration) -> Down {
        let begun = Instant::now();
        self.stop.send(Stop { how, deadline }).unwrap();
        let report = self.served.await.unwrap().unwrap();
        Down {
            app: self.app,
            report,
            took: begun.elapsed(),
        }
    }
}

/// What is left of a server.
pub(crate) struct Down {
    pub(crate) app: Arc<App>,
    pub(crate) report: DrainReport,
    pub(crate) took: Duration,
}

/// Waits until the sweeps end, which is when nobody has the scope: neither a connection nor
/// whoever knows one.
pub(crate) async fn until_forgotten(app: Arc<App>) {
    drop(app);
    let metrics = Handle::current().metrics();
    let deadline = Instant::now() + SOON;
    while metrics.num_alive_tasks() > 0 {
        assert!(Instant::now() < deadline, "not forgotten");
        // Only to leave the processor to the server.
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn listen(buffers: Buffers) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // What it accepts inherits them.
    socket.set_send_buffer_size(buffers.size()).unwrap();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&loopback.into()).unwrap();
    socket.listen(64).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpListener::from_std(socket.into()).unwrap()
}

type Stopped = oneshot::Receiver<Stop>;

async fn serve_axum(listener: TcpListener, app: Arc<App>, stopped: Stopped) -> Option<DrainReport> {
    let answering = Arc::clone(&app);
    let router = Router::new()
        .fallback(move |request| Arc::clone(&answering).answer::<axum::body::Body>(request));
    let (report, reported) = oneshot::channel();
    let shutdown = async move {
        // The end of the test stops it as well.
        let Ok(stop) = stopped.await else { return };
        let drain = app.scope.drain(stop.deadline).into_future();
        let draining = async { drop(report.send(drain.await.unwrap())) };
        match stop.how {
            Shutdown::DrainFirst => draining.await,
            Shutdown::Together => drop(tokio::spawn(draining)),
        }
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown);
    served.await.unwrap();
    reported.await.ok()
}

async fn serve_hyper(
    http: Http,
    listener: TcpListener,
    app: Arc<App>,
    stopped: Stopped,
) -> Option<DrainReport> {
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(stopped);
    let stop = loop {
        let io = tokio::select! {
            accepted = listener.accept() => TokioIo::new(accepted.unwrap().0),
            stop = &mut stopped => break stop,
        };
        let app = Arc::clone(&app);
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = Arc::clone(&app).answer(request);
            async { Ok::<_, Infallible>(answer.await) }
        });
        // An error is that the client is gone.
        if http == Http::One {
            let connection = http1::Builder::new().serve_connection(io, service);
            drop(tokio::spawn(graceful.watch(connection)));
        } else {
            let builder = http2::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(io, service);
            drop(tokio::spawn(graceful.watch(connection)));
        }
    };
    drop(listener);
    // The end of the test stops it as well.
    let stop = stop.ok()?;
    let drain = app.scope.drain(stop.deadline).into_future();
    Some(match stop.how {
        Shutdown::DrainFirst => {
            let report = drain.await.unwrap();
            graceful.shutdown().await;
            report
        }
        Shutdown::Together => tokio::join!(drain, graceful.shutdown()).0.unwrap(),
    })
}
