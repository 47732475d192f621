//! The server serves its documents, and everything that they link to.

use ws_tests::prelude::*;

use super::document;
use super::links::links;

/// What a browser runs is served so that it does.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_served_documents_are_served() {
    let server = Server::start().await;
    let page = http::get(server.addr(), "/").await;
    let linked = page.text().split("href=\"").skip(1).filter_map(|after| after.split_once('"'));
    let linked = linked.map(|(path, _)| path.to_owned()).filter(|path| path.ends_with(".md"));
    let (mut paths, mut next): (Vec<String>, _) = (linked.collect(), 0);
    assert!(paths.len() >= 2, "the page links to documents: {paths:?}");
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        let served = http::get(server.addr(), &format!("/{path}")).await;
        assert_eq!((served.status, served.header("content-type")), (200, Some(content_type(&path))), "{path}");
        assert!(served.text() == document(&path), "{path} is served as it was built");
        if path.ends_with(".md") {
            let targets = links(&path).into_iter().map(|link| link.target).filter(|target| !target.contains("://"));
            let new: Vec<_> = targets.filter(|target| !paths.contains(target)).collect();
            paths.extend(new);
        }
    }
    assert!(paths.iter().any(|path| path == "docs/BACKENDS.md"), "the guides are reached: {paths:?}");
}
