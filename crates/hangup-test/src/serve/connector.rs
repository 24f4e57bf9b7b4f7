//! A connector that has one connection to give.

use std::future::{Ready, ready};
use std::io::{Error, ErrorKind, Result};
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::pipe::Pipe;

/// A connector for clients that connect by themselves, such as a channel of tonic. It ignores
/// the address, and its second connection is refused. Created by [`Pipe::connector`].
#[derive(Debug)]
pub struct Connector(Option<Pipe>);

impl Pipe {
    /// Returns a connector that gives this pipe to its first caller, for instance to
    /// `tonic::transport::Endpoint::connect_with_connector`.
    pub fn connector(self) -> Connector {
        Connector(Some(self))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Pipe>;
    type Error = Error;
    type Future = Ready<Result<TokioIo<Pipe>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let refused = || Error::new(ErrorKind::ConnectionRefused, "the only pipe is taken");
        ready(self.0.take().map(TokioIo::new).ok_or_else(refused))
    }
}
