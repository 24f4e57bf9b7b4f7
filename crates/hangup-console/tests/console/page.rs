//! The page: one document, which needs no other and runs no other.

use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::world::{World, text};

#[tokio::test]
async fn the_page_runs_its_own_script_and_loads_nothing() {
    let world = World::new();
    let mut nonces = Vec::new();
    for path in ["/", "/?filter=ada&page=2"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let headers = answer.headers().clone();
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        let rule = |name: &str| {
            let rule = policy.split("; ").find_map(|rule| rule.strip_prefix(name));
            rule.unwrap_or_else(|| panic!("no{name} in {policy}"))
                .trim()
                .to_owned()
        };
        assert_eq!(rule("default-src"), "'none'");
        assert_eq!(rule("frame-ancestors"), "'none'");
        assert_eq!(rule("base-uri"), "'none'");
        let nonce = rule("script-src");
        assert_eq!(rule("style-src"), nonce);
        let nonce = nonce
            .strip_prefix("'nonce-")
            .unwrap()
            .trim_end_matches('\'')
            .to_owned();
        let page = text(answer).await;
        assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        assert_eq!(
            page.matches("<script").count() + page.matches("<style").count(),
            2
        );
        assert!(!page.contains("{{"));
        // No other host, and no value that becomes markup.
        for never in [
            "http:",
            "https:",
            "src=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            " style=",
            " onclick=",
        ] {
            assert!(!page.contains(never), "{never}");
        }
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn the_title_is_text() {
    let title = "<script>alert('1')</script> & \"co\"";
    let world = World::with(
        |scope| scope,
        |console| console.allow(|_| true).title(title),
    );
    let page = text(world.get("/").await).await;
    assert!(
        page.contains(
            "<h1>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;co&quot;</h1>"
        )
    );
    assert!(!page.contains("alert('1')"));
}
