//! The fields of queries and forms: each known, each once, each text.

use std::borrow::Cow;

use crate::refusal::BadField;

/// The values of the fields `names` in `encoded`, in their order; `None` for a field that does
/// not come.
pub(crate) fn fields<'a, const N: usize>(
    encoded: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], BadField> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(encoded) {
        // What is not UTF-8 has been replaced.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(BadField::NotText);
        }
        let at = names.iter().position(|known| *known == name);
        let at = at.ok_or(BadField::Unknown)?;
        if values[at].replace(value).is_some() {
            return Err(BadField::Twice(names[at]));
        }
    }
    Ok(values)
}

/// The value of a field that has to come.
pub(crate) fn required<'a>(
    name: &'static str,
    value: Option<Cow<'a, str>>,
) -> Result<Cow<'a, str>, BadField> {
    value.ok_or(BadField::Missing(name))
}
