//! The test page, the inspector, the JavaScript client, the schemas and the documents, compiled into the binary: the
//! files of `static/` and `docs/`, and what the documents link to, so that no link of a served document leads nowhere.

use super::reply::Reply;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// Programs that read types over HTTP (Deno) go by it.
const TYPES: &str = "application/typescript; charset=utf-8";
/// The client: pages of any origin may load it.
const CLIENT: &str = "/client/";

/// A file: where it is, its type and its bytes.
pub(super) struct Page(&'static str, &'static str, &'static [u8]);

impl Page {
    pub(super) fn reply(&self) -> Reply {
        let Page(path, content_type, bytes) = *self;
        let reply = Reply::page(content_type, bytes);
        if path.starts_with(CLIENT) { reply.for_any_origin() } else { reply }
    }
}

macro_rules! files {
    ($($path:literal => $kind:ident $file:literal,)*) => {
        /// The file at this path of a URL.
        pub(super) fn find(path: &str) -> Option<Page> {
            match path {
                $($path => Some(Page($path, $kind, include_bytes!(concat!("../../../../static/", $file)))),)*
                _ => None,
            }
        }
    };
}

files! {
    "/" => HTML "index.html",
    "/index.css" => CSS "index.css",
    "/index.js" => SCRIPT "index.js",
    "/page/actions.js" => SCRIPT "page/actions.js",
    "/page/bar.js" => SCRIPT "page/bar.js",
    "/page/channel-form.js" => SCRIPT "page/channel-form.js",
    "/page/channel-list.js" => SCRIPT "page/channel-list.js",
    "/page/channels.js" => SCRIPT "page/channels.js",
    "/page/claude.js" => SCRIPT "page/claude.js",
    "/page/client.js" => SCRIPT "page/client.js",
    "/page/code.js" => SCRIPT "page/code.js",
    "/page/connection.js" => SCRIPT "page/connection.js",
    "/page/counters.js" => SCRIPT "page/counters.js",
    "/page/detail.js" => SCRIPT "page/detail.js",
    "/page/dom.js" => SCRIPT "page/dom.js",
    "/page/drafts.js" => SCRIPT "page/drafts.js",
    "/page/emitter.js" => SCRIPT "page/emitter.js",
    "/page/export.js" => SCRIPT "page/export.js",
    "/page/frames.js" => SCRIPT "page/frames.js",
    "/page/history.js" => SCRIPT "page/history.js",
    "/page/identity.js" => SCRIPT "page/identity.js",
    "/page/json-view.js" => SCRIPT "page/json-view.js",
    "/page/json.js" => SCRIPT "page/json.js",
    "/page/log.js" => SCRIPT "page/log.js",
    "/page/mask.js" => SCRIPT "page/mask.js",
    "/page/places.js" => SCRIPT "page/places.js",
    "/page/presence-watch.js" => SCRIPT "page/presence-watch.js",
    "/page/presence.js" => SCRIPT "page/presence.js",
    "/page/present.js" => SCRIPT "page/present.js",
    "/page/preview.js" => SCRIPT "page/preview.js",
    "/page/protocol.js" => SCRIPT "page/protocol.js",
    "/page/publish.js" => SCRIPT "page/publish.js",
    "/page/raw.js" => SCRIPT "page/raw.js",
    "/page/recovery.js" => SCRIPT "page/recovery.js",
    "/page/requests.js" => SCRIPT "page/requests.js",
    "/page/results.js" => SCRIPT "page/results.js",
    "/page/row.js" => SCRIPT "page/row.js",
    "/page/rows.js" => SCRIPT "page/rows.js",
    "/page/saved.js" => SCRIPT "page/saved.js",
    "/page/subscription.js" => SCRIPT "page/subscription.js",
    "/page/tabs.js" => SCRIPT "page/tabs.js",
    "/page/text.js" => SCRIPT "page/text.js",
    "/page/words.js" => SCRIPT "page/words.js",
    "/client/claude.js" => SCRIPT "client/claude.js",
    "/client/claude.d.ts" => TYPES "client/claude.d.ts",
    "/client/ws-client.js" => SCRIPT "client/ws-client.js",
    "/client/ws-client.d.ts" => TYPES "client/ws-client.d.ts",
    "/client/indexeddb.js" => SCRIPT "client/indexeddb.js",
    "/client/indexeddb.d.ts" => TYPES "client/indexeddb.d.ts",
    "/client/memory.js" => SCRIPT "client/memory.js",
    "/client/memory.d.ts" => TYPES "client/memory.d.ts",
    "/client/react.js" => SCRIPT "client/react.js",
    "/client/react.d.ts" => TYPES "client/react.d.ts",
    "/client/vue.js" => SCRIPT "client/vue.js",
    "/client/vue.d.ts" => TYPES "client/vue.d.ts",
    "/docs/API.md" => TEXT "../docs/API.md",
    "/docs/ARCHITECTURE.md" => TEXT "../docs/ARCHITECTURE.md",
    "/docs/BACKENDS.md" => TEXT "../docs/BACKENDS.md",
    "/docs/BENCHMARKS.md" => TEXT "../docs/BENCHMARKS.md",
    "/docs/CHANGELOG.md" => TEXT "../docs/CHANGELOG.md",
    "/docs/CONTRIBUTING.md" => TEXT "../docs/CONTRIBUTING.md",
    "/docs/DECISIONS.md" => TEXT "../docs/DECISIONS.md",
    "/inspect" => HTML "inspect.html",
    "/inspect/api.js" => SCRIPT "inspect/api.js",
    "/inspect/chart.js" => SCRIPT "inspect/chart.js",
    "/inspect/channels.js" => SCRIPT "inspect/channels.js",
    "/inspect/connections.js" => SCRIPT "inspect/connections.js",
    "/inspect/detail.js" => SCRIPT "inspect/detail.js",
    "/inspect/frames.js" => SCRIPT "inspect/frames.js",
    "/inspect/index.css" => CSS "inspect/index.css",
    "/inspect/index.js" => SCRIPT "inspect/index.js",
    "/inspect/keys.js" => SCRIPT "inspect/keys.js",
    "/inspect/login.js" => SCRIPT "inspect/login.js",
    "/inspect/poll.js" => SCRIPT "inspect/poll.js",
    "/inspect/publish.js" => SCRIPT "inspect/publish.js",
    "/inspect/rates.js" => SCRIPT "inspect/rates.js",
    "/inspect/words.js" => SCRIPT "inspect/words.js",
    "/docs/GUIDE.md" => TEXT "../docs/GUIDE.md",
    "/docs/CLIENTS.md" => TEXT "../docs/CLIENTS.md",
    "/docs/examples/chat/chat.css" => CSS "../docs/examples/chat/chat.css",
    "/docs/examples/chat/chat.js" => SCRIPT "../docs/examples/chat/chat.js",
    "/docs/examples/chat/index.html" => HTML "../docs/examples/chat/index.html",
    "/docs/examples/chat/ws-server.toml" => TEXT "../docs/examples/chat/ws-server.toml",
    "/docs/examples/cluster/compose.yaml" => TEXT "../docs/examples/cluster/compose.yaml",
    "/docs/examples/cluster/haproxy.cfg" => TEXT "../docs/examples/cluster/haproxy.cfg",
    "/docs/examples/cluster/local.sh" => TEXT "../docs/examples/cluster/local.sh",
    "/docs/grafana/ws-server.json" => TEXT "../docs/grafana/ws-server.json",
    "/docs/prometheus/alerts.test.yml" => TEXT "../docs/prometheus/alerts.test.yml",
    "/docs/prometheus/alerts.yml" => TEXT "../docs/prometheus/alerts.yml",
    "/docs/OPERATIONS.md" => TEXT "../docs/OPERATIONS.md",
    "/docs/PROTOCOL.md" => TEXT "../docs/PROTOCOL.md",
    "/docs/README.zh-CN.md" => TEXT "../docs/README.zh-CN.md",
    "/docs/RELEASING.md" => TEXT "../docs/RELEASING.md",
    "/docs/SECURITY.md" => TEXT "../docs/SECURITY.md",
    "/docs/TESTING.md" => TEXT "../docs/TESTING.md",
    "/LICENSE" => TEXT "../LICENSE",
    "/README.md" => TEXT "../README.md",
    "/crates/ws-bench/README.md" => TEXT "../crates/ws-bench/README.md",
    "/crates/ws-client/examples/bridge.rs" => TEXT "../crates/ws-client/examples/bridge.rs",
    "/crates/ws-client/examples/chat.rs" => TEXT "../crates/ws-client/examples/chat.rs",
    "/crates/ws-client/examples/worker.rs" => TEXT "../crates/ws-client/examples/worker.rs",
    "/crates/ws-client/README.md" => TEXT "../crates/ws-client/README.md",
    "/crates/ws-proto/README.md" => TEXT "../crates/ws-proto/README.md",
    "/crates/ws-proto/examples/client.rs" => TEXT "../crates/ws-proto/examples/client.rs",
    "/favicon.svg" => SVG "favicon.svg",
    "/schema/protocol.json" => JSON "schema/protocol.json",
    "/schema/asyncapi.json" => JSON "schema/asyncapi.json",
    "/schema/openapi.json" => JSON "schema/openapi.json",
}
