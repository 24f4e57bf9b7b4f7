//! Random texts that are hard to guess: the token of the forms, and the nonces of the page.

use std::fmt;

use subtle::ConstantTimeEq;

const BYTES: usize = 16;

/// 128 random bits, as hexadecimal digits.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// # Panics
    ///
    /// If the system has no randomness.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; BYTES];
        let filled = getrandom::fill(&mut bytes);
        filled.expect("the system has randomness");
        Self(bytes.map(|byte| format!("{byte:02x}")).concat())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is the secret. It takes as long wherever they differ.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let (secret, other) = (Secret::random(), Secret::random());
        assert_eq!(secret.as_str().len(), 32);
        assert!(secret.is(secret.as_str()));
        assert!(!secret.is(other.as_str()));
        for end in 0..32 {
            assert!(!secret.is(&secret.as_str()[..end]), "{end}");
        }
        assert!(!secret.is(&format!("{}0", secret.as_str())));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
