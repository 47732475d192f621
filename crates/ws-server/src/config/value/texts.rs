//! Lists of texts, and of the options of a request; both may be empty.

use ws_claude::ClientOption;

use super::setting::{InvalidValue, Setting, Typed};
use crate::config::nearest::nearest;

/// Longest text of a list, in bytes.
const BYTES_MAX: usize = 128;

/// Texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts;

/// Options that a client may set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options;

const OPTIONS: [ClientOption; 5] =
    [ClientOption::System, ClientOption::Model, ClientOption::MaxTokens, ClientOption::Effort, ClientOption::Thinking];

/// The entries; one empty text is an empty list.
fn entries(typed: &Typed) -> Vec<Typed> {
    let mut items = typed.items();
    if items.len() == 1 && items[0].text() == Some("") {
        items.clear();
    }
    items
}

fn shown<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = texts.map(|text| toml::Value::String(text.to_owned()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

impl Setting for Vec<String> {
    type Rule = Texts;

    fn read(_: &Texts, typed: &Typed) -> Result<Self, InvalidValue> {
        let is_fine = |text: &&str| !text.is_empty() && text.len() <= BYTES_MAX && !text.contains(char::is_control);
        let read = |item: &Typed| item.text().filter(is_fine).map(str::to_owned).ok_or_else(|| item.invalid());
        entries(typed).iter().map(read).collect()
    }

    fn show(&self, _: &Texts) -> String {
        shown(self.iter().map(String::as_str))
    }

    fn allowed(_: &Texts) -> String {
        format!("a list of texts of 1 to {BYTES_MAX} bytes, any number of them")
    }
}

impl Setting for Vec<ClientOption> {
    type Rule = Options;

    fn read(_: &Options, typed: &Typed) -> Result<Self, InvalidValue> {
        let read = |item: &Typed| {
            let text = item.text().ok_or_else(|| item.invalid())?;
            OPTIONS.into_iter().find(|option| option.as_str() == text).ok_or_else(|| {
                let near = nearest(text, OPTIONS.iter().map(|option| option.as_str()));
                near.map_or_else(|| item.invalid(), |word| item.invalid_because(format!("did you mean {word}?")))
            })
        };
        entries(typed).iter().map(read).collect()
    }

    fn show(&self, _: &Options) -> String {
        shown(self.iter().map(|option| option.as_str()))
    }

    fn allowed(_: &Options) -> String {
        "a list of system, model, max_tokens, effort and thinking, which may be empty".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let texts =
            |text: &str| Vec::<String>::read(&Texts, &Typed::Bare(text.to_owned())).map(|list| list.show(&Texts));
        assert_eq!(texts(""), Ok("[]".to_owned()));
        assert_eq!(texts("a, b"), Ok("[\"a\", \"b\"]".to_owned()));
        assert!(texts("a,").is_err());
        let options = |text: &str| {
            let read = Vec::<ClientOption>::read(&Options, &Typed::Bare(text.to_owned()));
            read.map(|list| list.show(&Options)).map_err(|wrong| wrong.hint.unwrap_or_default())
        };
        assert_eq!(options(""), Ok("[]".to_owned()));
        assert_eq!(options("model,max_tokens"), Ok("[\"model\", \"max_tokens\"]".to_owned()));
        assert_eq!(options("modal"), Err("did you mean model?".to_owned()));
        assert!(Vec::<ClientOption>::read(&Options, &Typed::Integer(1)).is_err());
    }
}
