//! The files of `static/`, in the binary.

use super::Reply;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

macro_rules! files {
    ($($path:literal => $kind:ident $file:literal,)*) => {
        /// The file at this path of a URL.
        pub(super) fn page(path: &str) -> Option<Reply> {
            match path {
                $($path => Some(Reply::page($kind, include_bytes!(concat!("../../../../static/", $file)))),)*
                _ => None,
            }
        }
    };
}

files! {
    "/" => HTML "index.html",
    "/index.css" => CSS "index.css",
    "/index.js" => SCRIPT "index.js",
    "/favicon.svg" => SVG "favicon.svg",
    "/schema/protocol.json" => JSON "schema/protocol.json",
    "/schema/asyncapi.json" => JSON "schema/asyncapi.json",
    "/schema/openapi.json" => JSON "schema/openapi.json",
}
