//! Whether a request comes from a page of this very site.

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser says that the request comes from another site. What is not a browser says
/// nothing of this.
pub(crate) fn is_of_other_site(request: &Parts) -> bool {
    // The browser compares by itself, also behind a proxy that has another name.
    if let Some(site) = request.headers.get(SEC_FETCH_SITE) {
        return site != "same-origin";
    }
    let Some(origin) = request.headers.get(ORIGIN) else {
        return false;
    };
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| origin.split_once("://"));
    let (Some((_, origin)), Some(host)) = (origin, host(request, &request.headers)) else {
        return true;
    };
    !origin.eq_ignore_ascii_case(host)
}

/// Of HTTP/2, the authority of the URI.
fn host<'a>(request: &'a Parts, headers: &'a HeaderMap) -> Option<&'a str> {
    match headers.get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri.authority().map(|authority| authority.as_str()),
    }
}
