//! Why a request is refused, and what its client is told.

use hangup::{Closed, Error};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::{ConsoleBody, head};

/// The most bytes of a query.
pub(crate) const MOST_QUERY: usize = 1024;
/// The most bytes of a form.
pub(crate) const MOST_FORM: usize = 4096;

/// Why a request is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the application does not let this request in")]
    NotAllowed,
    #[error("no such page")]
    NoPage,
    #[error("this page takes {0} alone")]
    WrongMethod(&'static str),
    #[error("the request comes from another site")]
    OtherSite,
    #[error("the query has over {MOST_QUERY} bytes")]
    LongQuery,
    #[error("the form has over {MOST_FORM} bytes")]
    LongForm,
    #[error("the form is to be of the type application/x-www-form-urlencoded")]
    WrongType,
    #[error("the form did not come whole")]
    BrokenForm,
    #[error("{0}")]
    BadField(#[from] BadField),
    #[error("the token is not that of this console: load the page again")]
    BadToken,
    #[error("no connection has this id: it is gone, or never was")]
    NoConnection,
    #[error("no connection holds this key in this registry")]
    NoHolder,
    #[error("{0}")]
    AlreadyClosed(Closed),
    #[error("no stream of the console: {0}")]
    NoStream(Error),
}

/// What is wrong with a field of a query or of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadField {
    #[error("an unknown field")]
    Unknown,
    #[error("a text that is not UTF-8")]
    NotText,
    #[error("the field `{0}` comes twice")]
    Twice(&'static str),
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    #[error("the field `{name}` is to be {takes}")]
    Wrong {
        name: &'static str,
        takes: &'static str,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed | Self::OtherSite | Self::BadToken => StatusCode::FORBIDDEN,
            Self::NoPage | Self::NoConnection | Self::NoHolder => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::LongQuery => StatusCode::URI_TOO_LONG,
            Self::LongForm => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BrokenForm | Self::BadField(_) => StatusCode::BAD_REQUEST,
            Self::AlreadyClosed(_) => StatusCode::CONFLICT,
            Self::NoStream(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The kind, for programs.
    fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::NoPage => "no_page",
            Self::WrongMethod(_) => "wrong_method",
            Self::OtherSite => "other_site",
            Self::LongQuery => "long_query",
            Self::LongForm => "long_form",
            Self::WrongType => "wrong_type",
            Self::BrokenForm => "broken_form",
            Self::BadField(_) => "bad_field",
            Self::BadToken => "bad_token",
            Self::NoConnection => "no_connection",
            Self::NoHolder => "no_holder",
            Self::AlreadyClosed(_) => "already_closed",
            Self::NoStream(_) => "no_stream",
        }
    }

    pub(crate) fn into_response(self) -> Response<ConsoleBody> {
        let text = json!({ "error": self.to_string(), "code": self.code() }).to_string();
        let mut response = head(ConsoleBody::whole(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::WrongMethod(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::NoStream(error) => {
                if let Some(after) = error.retry_after() {
                    headers.insert(RETRY_AFTER, after.as_secs().max(1).into());
                }
            }
            _ => {}
        }
        response
    }
}
