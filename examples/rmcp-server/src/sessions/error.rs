//! What the manager says to rmcp.

use rmcp::transport::streamable_http_server::session::local::LocalSessionManagerError;

/// Why a session cannot do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It was not admitted.
    #[error(transparent)]
    Refused(#[from] hangup::Error),
    /// It has ended.
    #[error("the session has ended")]
    Ended,
    /// What rmcp says.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}
