//! The page itself.

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Response};

use crate::body::{ConsoleBody, head};
use crate::secret::Secret;

const PAGE: &str = include_str!("page.html");

/// The page, whose style and script alone have its nonce.
pub(crate) fn page(title: &str) -> Response<ConsoleBody> {
    let nonce = Secret::random();
    let nonce = nonce.as_str();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let text = PAGE.replace("{{nonce}}", nonce);
    let mut response = head(ConsoleBody::whole(
        text.replace("{{title}}", &escape(title)),
    ));
    let headers = response.headers_mut();
    let policy = HeaderValue::try_from(policy).expect("digits and words are visible");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    let value = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, value);
    response
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(char),
        }
    }
    escaped
}
