//! The path of a file or directory. Whether it exists and can be used is checked when it is used.

use std::path::PathBuf;

use super::setting::{InvalidValue, Setting, Typed};

impl Setting for PathBuf {
    type Rule = ();

    fn read((): &(), typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| typed.invalid())?;
        if text.is_empty() || text.contains('\0') {
            return Err(typed.invalid());
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self, (): &()) -> String {
        toml::Value::String(self.to_string_lossy().into_owned()).to_string()
    }

    fn allowed((): &()) -> String {
        "a path".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let read = |text: &str| PathBuf::read(&(), &Typed::Quoted(text.to_owned())).map(|path| path.show(&()));
        assert_eq!(read("./data"), Ok("\"./data\"".to_owned()));
        assert!(read("a \"b\"\\c").is_ok_and(|shown| shown.parse::<toml::Value>().is_ok()));
        assert!(read("").is_err() && read(" ").is_err() && read("a\0b").is_err());
        assert!(PathBuf::read(&(), &Typed::Integer(1)).is_err());
    }
}
