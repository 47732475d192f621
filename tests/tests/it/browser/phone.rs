//! The page on a phone: one part at a time, nothing wider than the screen.

use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, open, quiet, shows, subscribe};

const TABS: [&str; 5] = ["connection", "channels", "claude", "requests", "frames"];

async fn choose(page: &Page, tab: &str) {
    page.click(&format!("#tabs [data-tab={tab}]")).await.expect("a tab");
    shows(page, &format!("document.querySelector('#tabs [aria-current=true]').dataset.tab === '{tab}'")).await;
}

/// Nothing is wider than the screen, and no control's text is cut off.
async fn fits(page: &Page, what: &str) {
    let wide = "[...document.querySelectorAll('body, button, .panel, h2, label, .tabs, .bar')] \
                .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1 \
                  && !each.matches('.row')) \
                .map((each) => each.outerHTML.slice(0, 120))";
    assert_eq!(page.eval(wide).await.expect("a list"), json!([]), "{what}");
    let right = "document.querySelector('.bar-tools').getBoundingClientRect().right <= innerWidth \
                 && document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(page.eval(right).await.expect("a value"), true, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn tabs_bring_each_part_into_sight() {
    let browser = browser().await;
    let server = Server::start().await;
    for (language, width) in [("en", 390), ("zh-CN", 390), ("en", 360)] {
        let options = PageOptions { width, height: 844, language, dark: false };
        let page = open(&browser, &server, &options).await;
        choose(&page, "channels").await;
        subscribe(&page, "news").await;
        shows(&page, "Number(document.querySelector('#unread').textContent) >= 4").await;
        for tab in TABS {
            choose(&page, tab).await;
            let shown = "[...document.querySelectorAll('[data-tab].panel')].filter((each) => each.checkVisibility())";
            let all = format!("{shown}.every((each) => each.dataset.tab === '{tab}') && {shown}.length > 0");
            shows(&page, &all).await;
            shows(&page, &format!("{shown}[0].getBoundingClientRect().top < 130")).await;
            // Of a panel in sight nothing is left out, unless it is hidden at any width.
            let left_out = "[...document.querySelectorAll('.panel :is(button, input, select, textarea, output)')]
                .filter((each) => each.closest('.panel').checkVisibility() && !each.checkVisibility() && !each.closest('[hidden]'))
                .map((each) => each.id).filter((id) => id !== 'raw-result')";
            assert_eq!(page.eval(left_out).await.expect("a list"), json!([]), "{tab}");
            fits(&page, &format!("{language} {width} {tab}")).await;
        }
        has(&page, "#unread", json!({"value": "0"})).await;
        shows(&page, "document.querySelector('#frames li').checkVisibility()").await;
        choose(&page, "channels").await;
        fill(&page, "#drop-delay", "30").await; // as long as the page ever waits
        page.click("#drop-now").await.expect("a button");
        shows(&page, "document.querySelector('#state').dataset.acts === 'reconnect'").await;
        for tab in TABS {
            choose(&page, tab).await;
            fits(&page, &format!("{language} {width} {tab}, waiting")).await;
        }
        quiet(&page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_wide_screen_shows_everything_at_once() {
    let browser = browser().await;
    let server = Server::start().await;
    for width in [960, 1280, 1440, 1800] {
        let page = open(&browser, &server, &PageOptions { width, ..PageOptions::default() }).await;
        let hidden = "[...document.querySelectorAll('.panel')].filter((each) => !each.checkVisibility()).length";
        assert_eq!(page.eval(hidden).await.expect("a number"), 0, "{width}");
        shows(&page, "!document.querySelector('#tabs').checkVisibility()").await;
        // The columns scroll, the page does not.
        shows(&page, "document.documentElement.scrollHeight <= innerHeight").await;
        fits(&page, &width.to_string()).await;
    }
}
