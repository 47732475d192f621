//! The query of a request: `limit=10&reverse=true`, encoded as browsers encode forms.

use std::borrow::Cow;
use std::str::FromStr;

use ws_proto::{ErrorBody, ErrorCode};

use super::resource::decoded;

/// The options of a query. Unknown ones are ignored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) fn new(query: Option<&'a str>) -> Self {
        Query(query.unwrap_or_default())
    }

    /// # Errors
    /// `invalid_payload`: it is given more than once, or is not UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, ErrorBody> {
        let options = self.0.split('&').map(|option| option.split_once('=').unwrap_or((option, "")));
        let mut values = options.filter(|(known, _)| form_decoded(known).is_some_and(|known| known == name));
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => {
                form_decoded(value).map(Some).ok_or_else(|| invalid(name, "is not UTF-8, percent-encoded"))
            }
            _ => Err(invalid(name, "is given more than once")),
        }
    }

    /// # Errors
    /// `invalid_payload`: it is no whole number of this type.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ErrorBody> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // `parse` would also take a plus.
        let digits = Some(&text).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or_else(|| invalid(name, "must be a whole number"))
    }

    /// # Errors
    /// `invalid_payload`: it is neither `true` nor `false`.
    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>, ErrorBody> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "must be true or false")),
        }
    }
}

/// As [`decoded`], with `+` for a space.
fn form_decoded(part: &str) -> Option<Cow<'_, str>> {
    if part.contains('+') {
        decoded(&part.replace('+', " ")).map(|text| text.into_owned().into())
    } else {
        decoded(part)
    }
}

pub(super) fn invalid(name: &str, why: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidPayload, format!("`{name}` {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(result: Result<T, ErrorBody>) -> String {
        result.err().map(|error| error.message.into_owned()).unwrap_or_default()
    }

    #[test]
    fn options_are_read() {
        let query = Query::new(Some("limit=10&prefix=a%3Ab+c&reverse=true&x"));
        assert_eq!(query.number::<u32>("limit").ok(), Some(Some(10)));
        assert_eq!(Query::new(Some("%70refix=+%2B+&p=")).text("prefix").ok().flatten().as_deref(), Some(" + "));
        assert_eq!(query.text("prefix").ok().flatten().as_deref(), Some("a:b c"));
        assert_eq!(query.switch("reverse").ok(), Some(Some(true)));
        assert_eq!(query.switch("missing").ok(), Some(None));
        assert_eq!(Query::new(None).number::<u32>("limit").ok(), Some(None));
    }

    #[test]
    fn mistakes_name_the_option() {
        for bad in ["limit=", "limit=+1", "limit=%2B1", "limit=-1", "limit=1.0", "limit=x", "limit=4294967296"] {
            assert_eq!(
                message(Query::new(Some(bad)).number::<u32>("limit")),
                "`limit` must be a whole number",
                "{bad}"
            );
        }
        for bad in ["a=%ff", "a=%", "a=%z1+"] {
            assert_eq!(message(Query::new(Some(bad)).text("a")), "`a` is not UTF-8, percent-encoded", "{bad}");
        }
        assert_eq!(message(Query::new(Some("a=1&a=1")).text("a")), "`a` is given more than once");
        assert_eq!(message(Query::new(Some("a=yes")).switch("a")), "`a` must be true or false");
    }
}
