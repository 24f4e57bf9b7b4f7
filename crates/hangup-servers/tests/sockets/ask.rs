//! What a client asks for.

/// How the connection streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `live.stream(..)` with a heartbeat, made into a body.
    Stream,
    /// `live.body(..)`.
    Body,
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::Stream, Self::Body];
}

/// What there is to send after the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Nothing, ever.
    Quiet,
    /// Always something more.
    Flood,
    /// Nothing, and that is all.
    Short,
    /// It does not come so far: the set-up does not end.
    SetUp,
    /// Nothing, as is known from the beginning: the length is. Of a body.
    Whole,
    /// There is not even a greeting. Of a body.
    Empty,
    /// Trailers. Of a body.
    Trailers,
}

impl Source {
    const ALL: [Self; 7] = [
        Self::Quiet,
        Self::Flood,
        Self::Short,
        Self::SetUp,
        Self::Whole,
        Self::Empty,
        Self::Trailers,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) shape: Shape,
    pub(crate) source: Source,
}

impl Ask {
    pub(crate) fn path(self) -> String {
        let path = format!("/{:?}/{:?}", self.shape, self.source);
        path.to_lowercase()
    }

    pub(crate) fn parse(path: &str) -> Self {
        Shape::ALL
            .into_iter()
            .flat_map(|shape| Source::ALL.map(|source| Self { shape, source }))
            .find(|ask| ask.path() == path)
            .unwrap_or_else(|| panic!("nobody asks for {path}"))
    }
}
