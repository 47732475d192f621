//! Origins of pages: `https://app.example.org`, none, one or several.

use ws_transport::AllowedOrigin;

use super::setting::{InvalidValue, Setting, Typed};

/// A list of origins, which may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origins;

impl Setting for Vec<AllowedOrigin> {
    type Rule = Origins;

    fn read(_: &Origins, typed: &Typed) -> Result<Self, InvalidValue> {
        let items = match typed {
            Typed::List(items) => items.clone(),
            Typed::Bare(text) => text.split(',').map(|item| Typed::Bare(item.to_owned())).collect(),
            other => vec![other.clone()],
        };
        let given = items.iter().filter(|item| item.text() != Some("") || items.len() > 1);
        given.map(|item| item.text().and_then(AllowedOrigin::parse).ok_or_else(|| wrong(item))).collect()
    }

    fn show(&self, _: &Origins) -> String {
        let quoted: Vec<_> = self.iter().map(|origin| format!("\"{origin}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn allowed(_: &Origins) -> String {
        "origins (scheme://host[:port] or scheme://*.host[:port]), null or *, any number of them".to_owned()
    }
}

/// Hints for common mistakes.
fn wrong(item: &Typed) -> InvalidValue {
    match item.text() {
        Some(text) if text.contains("://") && text.trim_end_matches('/') != text => {
            item.invalid_because(format!("write it without the slash: {}", text.trim_end_matches('/')))
        }
        Some(text) if !text.is_empty() && !text.contains("://") => {
            item.invalid_because(format!("write it with the scheme: https://{text}"))
        }
        _ => item.invalid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &Typed) -> Result<String, String> {
        let read = Vec::<AllowedOrigin>::read(&Origins, typed);
        read.map(|list| list.show(&Origins)).map_err(|wrong| wrong.hint.unwrap_or_default())
    }

    #[test]
    fn lists() {
        let bare = |text: &str| read(&Typed::Bare(text.to_owned()));
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(bare(""), ok("[]"));
        assert_eq!(bare("https://a.example, http://*.b:8080"), ok("[\"https://a.example\", \"http://*.b:8080\"]"));
        assert_eq!(read(&Typed::List(vec![])), ok("[]"));
        assert_eq!(read(&Typed::Quoted("*".to_owned())), ok("[\"*\"]"));
        assert_eq!(read(&Typed::List(vec![Typed::Quoted("null".to_owned())])), ok("[\"null\"]"));
    }

    #[test]
    fn what_is_no_origin() {
        let bare = |text: &str| read(&Typed::Bare(text.to_owned()));
        assert_eq!(bare("a.example"), Err("write it with the scheme: https://a.example".to_owned()));
        assert_eq!(bare("https://a.example/"), Err("write it without the slash: https://a.example".to_owned()));
        assert_eq!(bare("https://a.example,"), Err(String::new()));
        assert_eq!(read(&Typed::Integer(1)), Err(String::new()));
    }
}
