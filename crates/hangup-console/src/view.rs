//! What a page asks for: a filter, an order and a page of the table.

use std::borrow::Cow;

use crate::fields::fields;
use crate::refusal::{BadField, MOST_QUERY, Refusal};

/// The most bytes of a filter.
const MOST_FILTER: usize = 240;

/// A part of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// In lower case; empty for all.
    pub(crate) filter: String,
    pub(crate) sort: Sort,
    pub(crate) is_reversed: bool,
    /// From 0 on.
    pub(crate) page: usize,
}

/// By what the rows are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The youngest first.
    #[default]
    Age,
    Phase,
    Label,
}

impl View {
    /// Reads a query.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let query = query.unwrap_or_default();
        if query.len() > MOST_QUERY {
            return Err(Refusal::LongQuery);
        }
        let names = ["filter", "sort", "order", "page"];
        let [filter, sort, order, page] = fields(query.as_bytes(), names)?;
        let text = |value: Option<Cow<'_, str>>| value.map(Cow::into_owned);
        let filter = text(filter).unwrap_or_default();
        if filter.len() > MOST_FILTER {
            return Err(wrong("filter", "a text of at most 240 bytes"));
        }
        let sort = match sort.as_deref() {
            None | Some("age") => Sort::Age,
            Some("phase") => Sort::Phase,
            Some("label") => Sort::Label,
            Some(_) => return Err(wrong("sort", "`age`, `phase` or `label`")),
        };
        let is_reversed = match order.as_deref() {
            None | Some("up") => false,
            Some("down") => true,
            Some(_) => return Err(wrong("order", "`up` or `down`")),
        };
        let page = match page.as_deref().map(number) {
            None => 1,
            Some(Some(page)) if page > 0 => page,
            Some(_) => return Err(wrong("page", "a number from 1 on")),
        };
        Ok(Self {
            filter: filter.to_lowercase(),
            sort,
            is_reversed,
            page: page - 1,
        })
    }

    /// Whether it takes more of each connection than its id and its state.
    pub(crate) fn needs_details(&self) -> bool {
        !self.filter.is_empty() || self.sort == Sort::Label
    }
}

fn number(text: &str) -> Option<usize> {
    // A number may have a sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn wrong(name: &'static str, takes: &'static str) -> Refusal {
    BadField::Wrong { name, takes }.into()
}
