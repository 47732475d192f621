//! The URL of an API, without what is secret in it when it is shown.

use ws_claude::upstream::BaseUrl;

use super::setting::{InvalidValue, Setting, Typed};

/// Any `http` or `https` URL with a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BaseUrls;

impl Setting for BaseUrl {
    type Rule = BaseUrls;

    fn read(_: &BaseUrls, typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        BaseUrl::parse(text).map_err(|error| match text.contains('@') {
            // It may be a password.
            true => InvalidValue { found: "a URL with a name or password, which is not shown".to_owned(), hint: None },
            false => typed.invalid_because(format!("it {error}")),
        })
    }

    fn show(&self, _: &BaseUrls) -> String {
        toml::Value::String(self.to_string()).to_string()
    }

    fn is_redacted(&self) -> bool {
        self.has_credentials()
    }

    fn allowed(_: &BaseUrls) -> String {
        "an http or https URL without query and fragment".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let url = BaseUrl::read(&BaseUrls, &Typed::Bare("https://ann:swordfish@gateway.example/x".to_owned()));
        let url = url.expect("a URL");
        assert!(url.is_redacted() && url.show(&BaseUrls) == "\"https://gateway.example/x\"");
        let wrong = BaseUrl::read(&BaseUrls, &Typed::Bare("ftp://ann:swordfish@x".to_owned())).expect_err("no URL");
        assert!(!format!("{wrong:?}").contains("swordfish"));
        let plain = BaseUrl::read(&BaseUrls, &Typed::Bare("http://127.0.0.1:8080/v1/".to_owned())).expect("a URL");
        assert!(!plain.is_redacted() && plain.show(&BaseUrls) == "\"http://127.0.0.1:8080\"");
        assert!(BaseUrl::read(&BaseUrls, &Typed::Integer(1)).is_err());
    }
}
