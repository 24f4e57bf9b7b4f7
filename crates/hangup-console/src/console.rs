//! A console, and what it is told before it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hangup::{CloseReason, Deadlines, Scope};
use http::request::Parts;

use crate::clip::clip;
use crate::events::Source;
use crate::observer::ConsoleObserver;
use crate::secret::Secret;
use crate::service::ConsoleService;
use crate::shared::{Allow, Shared};
use crate::watch::Watch;

/// Unless the builder is told otherwise.
const STUCK_AFTER: Duration = Duration::from_secs(10);
const MAX_PAGES: usize = 16;
/// After this a page is asked for again whether it is let in.
const MAX_AGE: Duration = Duration::from_secs(600);
/// A page that does not read.
const STALL: Duration = Duration::from_secs(30);

/// A live page for the connections of a [`Scope`].
///
/// Cheap to clone; all clones are the same.
///
/// # Examples
///
/// ```
/// use hangup::Scope;
/// use hangup_console::Console;
///
/// # struct Session { is_operator: bool }
/// let scope = Scope::new();
/// let console = Console::builder(scope)
///     .title("gateway")
///     // What an authenticating layer above has left.
///     .allow(|head| head.extensions.get().is_some_and(|it: &Session| it.is_operator))
///     .build();
/// let app: axum::Router = axum::Router::new().nest_service("/console", console.service());
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct Console {
    shared: Arc<Shared>,
}

impl Console {
    /// Builds a console for the connections of `scope`, those of its
    /// [children](Scope::child) included.
    pub fn builder(scope: Scope) -> ConsoleBuilder {
        ConsoleBuilder {
            scope,
            title: "connections".to_owned(),
            allow: None,
            allow_end: None,
            observer: None,
            stuck_after: STUCK_AFTER,
            end_as: CloseReason::App(0),
            max_pages: MAX_PAGES,
        }
    }

    /// The service, to be mounted at a path: `nest_service` of axum takes the path away, as this
    /// expects it.
    pub fn service(&self) -> ConsoleService {
        ConsoleService::new(Arc::clone(&self.shared))
    }

    /// The scope of the console's own streams, one for each page that is open. They do not
    /// count against the cap of the scope that is shown, so that one can see a server that is
    /// full; and they stay while it drains.
    #[must_use]
    pub fn streams(&self) -> &Scope {
        &self.shared.source.own
    }
}

/// Builds a [`Console`]. Made by [`Console::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct ConsoleBuilder {
    scope: Scope,
    title: String,
    allow: Option<Allow>,
    allow_end: Option<Allow>,
    observer: Option<ConsoleObserver>,
    stuck_after: Duration,
    end_as: CloseReason,
    max_pages: usize,
}

impl ConsoleBuilder {
    /// The name of the server, for the title of the page: `connections`, unless this is called.
    pub fn title(mut self, title: &str) -> Self {
        self.title = clip(title);
        self
    }

    /// Lets the requests in for whose heads `allow` returns `true`. All others, and without this
    /// all, are answered with 403.
    ///
    /// It is asked first, for each request of the page, its stream and its buttons; for a stream
    /// that is open, again after ten minutes. What the application knows of the client has to be
    /// in the head: a cookie, a header, an extension of a layer above. The path in it is the one
    /// below the mount.
    pub fn allow<F>(mut self, allow: F) -> Self
    where
        F: Fn(&Parts) -> bool + Send + Sync + 'static,
    {
        self.allow = Some(Arc::new(allow));
        self
    }

    /// Of the requests that are let in, lets those end connections for whose heads `allow`
    /// returns `true`. The others may only look: their page has no buttons. Without this all may
    /// that are let in.
    pub fn allow_end<F>(mut self, allow: F) -> Self
    where
        F: Fn(&Parts) -> bool + Send + Sync + 'static,
    {
        self.allow_end = Some(Arc::new(allow));
        self
    }

    /// Shows what this observer of the scope remembers. Without one, the page has nothing of the
    /// past but counts.
    pub fn observer(mut self, observer: &ConsoleObserver) -> Self {
        self.observer = Some(observer.clone());
        self
    }

    /// Marks a connection that has been closed for `time` and has not settled: 10 seconds, unless
    /// this is called. It takes a [clock](hangup::ScopeBuilder::clock) of the scope.
    pub fn stuck_after(mut self, time: Duration) -> Self {
        self.stuck_after = time;
        self
    }

    /// Why a connection has ended that is ended by hand:
    /// [`App(0)`](CloseReason::App), unless this is called. The words are `ended in the console`.
    pub fn end_as(mut self, reason: CloseReason) -> Self {
        self.end_as = reason;
        self
    }

    /// How many pages may be open: 16, unless this is called. The stream of one more is answered
    /// with 503.
    pub fn max_pages(mut self, max: usize) -> Self {
        self.max_pages = max;
        self
    }

    /// The console.
    ///
    /// # Panics
    ///
    /// If the system has no randomness for its token.
    #[must_use]
    pub fn build(self) -> Console {
        let deadlines = Deadlines::new().stall(STALL).max_age(MAX_AGE);
        let own = Scope::builder()
            .max_connections(self.max_pages)
            .deadlines(deadlines);
        let own = match self.scope.runtime() {
            Some(runtime) => own.runtime(Arc::clone(runtime)),
            None => own,
        };
        let source = Source {
            watch: Watch::new(self.scope.clone(), self.stuck_after),
            scope: self.scope,
            own: own.build(),
            recent: self.observer.map(|observer| observer.recent),
            token: Secret::random(),
        };
        Console {
            shared: Arc::new(Shared {
                title: self.title,
                allow: self.allow,
                allow_end: self.allow_end,
                end_as: self.end_as,
                source: Arc::new(source),
            }),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("title", &self.shared.title)
            .field("is_closed", &self.shared.allow.is_none())
            .field("scope", &self.shared.source.scope)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder")
            .field("title", &self.title)
            .field("is_closed", &self.allow.is_none())
            .field("stuck_after", &self.stuck_after)
            .field("end_as", &self.end_as)
            .field("max_pages", &self.max_pages)
            .finish_non_exhaustive()
    }
}
