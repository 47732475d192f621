//! RESP3, the protocol of Redis: commands as bytes, and replies out of bytes. No I/O.
//!
//! Written here and not taken from a client library, because the engine depends on what libraries hide: replies and
//! pushed messages in the one order in which Redis sent them.

use crate::limits::{REPLY_BYTES_MAX, REPLY_DEPTH_MAX};

/// A reply, or a message that Redis pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    /// A string, whatever its form; numbers with a fraction and truth values too.
    Bytes(Vec<u8>),
    Error(String),
    /// An array or a set; a map is an array of keys and values in turn.
    Array(Vec<Value>),
    Push(Vec<Value>),
}

/// What was read is not RESP3, or is larger than any reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A value, and how many bytes it takes.
    Whole(Value, usize),
    /// Not a whole one; there are at least so many bytes in it.
    Needs(usize),
}

impl Value {
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Value::Null | Value::Error(_) | Value::Array(_) | Value::Push(_) => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(values) = self { Some(values) } else { None }
    }
}

/// Appends a command.
pub(crate) fn command<A: AsRef<[u8]>>(args: impl ExactSizeIterator<Item = A>, out: &mut Vec<u8>) {
    head(b'*', args.len(), out);
    for arg in args {
        let arg = arg.as_ref();
        head(b'$', arg.len(), out);
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn head(kind: u8, n: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(n.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Parses the value at the beginning of a buffer.
///
/// # Errors
/// [`Malformed`].
pub(crate) fn parse(buffer: &[u8]) -> Result<Parsed, Malformed> {
    let mut parser = Parser { buffer, at: 0 };
    Ok(match parser.value(0) {
        Ok(value) => Parsed::Whole(value, parser.at),
        Err(Stop::Needs(bytes)) => Parsed::Needs(bytes),
        Err(Stop::Malformed) => return Err(Malformed),
    })
}

struct Parser<'a> {
    buffer: &'a [u8],
    at: usize,
}

enum Stop {
    Needs(usize),
    Malformed,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        if depth > REPLY_DEPTH_MAX {
            return Err(Stop::Malformed);
        }
        let line = self.line()?;
        let (kind, rest) = line.split_first().ok_or(Stop::Malformed)?;
        match kind {
            b'+' | b',' | b'#' | b'(' => Ok(Value::Bytes(rest.to_vec())),
            b'-' => Ok(Value::Error(String::from_utf8_lossy(rest).into_owned())),
            b':' => number(rest).map(Value::Int),
            b'_' => Ok(Value::Null),
            b'$' | b'!' | b'=' => {
                let (kind, length) = (*kind, number(rest)?);
                let Ok(length) = usize::try_from(length) else { return Ok(Value::Null) };
                let bytes = self.take(length)?;
                Ok(match kind {
                    b'!' => Value::Error(String::from_utf8_lossy(&bytes).into_owned()),
                    // After the three letters of its format.
                    b'=' => Value::Bytes(bytes.get(4..).unwrap_or_default().to_vec()),
                    _ => Value::Bytes(bytes),
                })
            }
            b'*' | b'~' => self.values(rest, 1, depth).map(|values| values.map_or(Value::Null, Value::Array)),
            b'%' => self.values(rest, 2, depth).map(|values| values.map_or(Value::Null, Value::Array)),
            b'>' => self.values(rest, 1, depth).map(|values| values.map_or(Value::Null, Value::Push)),
            _ => Err(Stop::Malformed),
        }
    }

    fn values(&mut self, count: &[u8], each: usize, depth: usize) -> Result<Option<Vec<Value>>, Stop> {
        let Ok(count) = usize::try_from(number(count)?) else { return Ok(None) };
        if count > REPLY_BYTES_MAX / 4 {
            return Err(Stop::Malformed);
        }
        // As many as there may be bytes for, so that a length alone takes no memory.
        let mut values = Vec::with_capacity((count * each).min(self.buffer.len() / 3 + 1));
        for _ in 0..count * each {
            values.push(self.value(depth + 1)?);
        }
        Ok(Some(values))
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest: &'a [u8] = &self.buffer[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(Stop::Needs(self.buffer.len() + 1));
        };
        self.at += end + 1;
        rest[..end].strip_suffix(b"\r").ok_or(Stop::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        if length > REPLY_BYTES_MAX {
            return Err(Stop::Malformed);
        }
        let end = self.at + length;
        if self.buffer.len() < end + 2 {
            return Err(Stop::Needs(end + 2));
        }
        if &self.buffer[end..end + 2] != b"\r\n" {
            return Err(Stop::Malformed);
        }
        let bytes = self.buffer[self.at..end].to_vec();
        self.at = end + 2;
        Ok(bytes)
    }
}

fn number(digits: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Stop::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        command([&b"GET"[..], b"\0\r\n"].into_iter(), &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\n\0\r\n\r\n");
    }

    #[test]
    fn every_kind_of_reply_is_read_whole_or_not_at_all() {
        let cases: [(&str, Value); 12] = [
            ("+OK\r\n", bytes("OK")),
            ("-ERR no\r\n", Value::Error("ERR no".into())),
            (":-3\r\n", Value::Int(-3)),
            ("$4\r\na\r\nb\r\n", bytes("a\r\nb")),
            ("$-1\r\n", Value::Null),
            ("_\r\n", Value::Null),
            ("=7\r\ntxt:abc\r\n", bytes("abc")),
            ("!6\r\nOOM no\r\n", Value::Error("OOM no".into())),
            (",1.5\r\n", bytes("1.5")),
            ("*2\r\n:1\r\n*0\r\n", Value::Array(vec![Value::Int(1), Value::Array(vec![])])),
            ("%1\r\n+a\r\n:1\r\n", Value::Array(vec![bytes("a"), Value::Int(1)])),
            (">2\r\n+m\r\n$0\r\n\r\n", Value::Push(vec![bytes("m"), bytes("")])),
        ];
        for (text, value) in cases {
            let whole = Parsed::Whole(value, text.len());
            assert_eq!(parse(format!("{text}rest").as_bytes()), Ok(whole), "{text:?}");
            for cut in 0..text.len() {
                let part = parse(&text.as_bytes()[..cut]);
                assert!(
                    matches!(part, Ok(Parsed::Needs(bytes)) if bytes > cut && bytes <= text.len()),
                    "{text:?} {part:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let deep = "*1\r\n".repeat(REPLY_DEPTH_MAX + 2);
        for text in ["x\r\n", ":a\r\n", "$1\r\nabc", "$99999999999\r\n", "*99999999999\r\n", "+OK\n", "\r\n", &deep] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed), "{text:?}");
        }
    }
}
