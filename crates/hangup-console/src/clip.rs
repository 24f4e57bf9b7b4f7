//! Texts of a bounded length: labels, words and keys are the application's, and may be long.

/// The most bytes of a text that is kept or sent.
pub(crate) const MOST: usize = 240;

/// The beginning of `text`, in at most [`MOST`] bytes and an ellipsis.
pub(crate) fn clip(text: &str) -> String {
    if text.len() <= MOST {
        return text.to_owned();
    }
    let mut end = MOST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::{MOST, clip};

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(clip(""), "");
        assert_eq!(clip(&"a".repeat(MOST)), "a".repeat(MOST));
        assert_eq!(clip(&"a".repeat(MOST + 1)), "a".repeat(MOST) + "…");
        for before in 0..4 {
            let text = "a".repeat(MOST - before) + "𝄞𝄞";
            let clipped = clip(&text);
            assert!(text.starts_with(clipped.trim_end_matches('…')));
            assert!(clipped.len() <= MOST + '…'.len_utf8(), "{before}");
        }
    }
}
