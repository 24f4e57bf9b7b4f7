//! The crate's errors as statuses of tonic.

use tonic::{Code, Status};

use crate::error::{Error, KeyError, OpenError};
use crate::state::Closed;

/// The code of the [table](Error), with the error as its message.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = i32::try_from(error.grpc_code()).map_or(Code::Unknown, Code::from_i32);
        Self::new(code, error.to_string())
    }
}

/// As that of [`Error`].
impl From<OpenError> for Status {
    fn from(error: OpenError) -> Self {
        Error::from(error).into()
    }
}

/// As that of [`Error`].
impl From<KeyError> for Status {
    fn from(error: KeyError) -> Self {
        Error::from(error).into()
    }
}

/// As that of [`Error`].
impl From<Closed> for Status {
    fn from(closed: Closed) -> Self {
        Error::from(closed).into()
    }
}
