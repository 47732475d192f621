//! Headless Chromium over the DevTools protocol: what the test page really does in a browser.
//!
//! Order of calls: [`Browser::launch`], [`Browser::open`], then the methods of
//! [`Page`]. Every page has its own browser context, so nothing of one page (storage, cache) is seen by another.
//!
//! Every wait is bounded and says what it waited for. Errors are sentences for a test's output, hence `String`.
//! This is not a general DevTools client. One task owns the socket; [`Page`] is a handle to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async;

use crate::devtools::{Call, DevTools, exception_text, shortened, text_of};
use crate::require;

const LAUNCH_WITHIN: Duration = Duration::from_secs(30);
const LOAD_WITHIN: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(20);
const REMOVE_TRIES_MAX: u32 = 40;

const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox", // CI runs as root, where the sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage", // /dev/shm is small in containers
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--remote-debugging-port=0",
];

/// A browser process with its own profile. Dropping it kills the process and removes the profile.
#[derive(Debug)]
pub struct Browser {
    devtools: DevTools,
    _process: Process,
}

impl Browser {
    /// Starts the browser that [`require::chromium`] finds.
    ///
    /// # Errors
    /// When there is none, when it does not start, or when it does not name its DevTools address within 30 s.
    pub async fn launch() -> Result<Self, String> {
        let program = require::chromium().ok_or("no Chromium on PATH")?;
        let (process, address) = Process::start(&program)?;
        let address = timeout(LAUNCH_WITHIN, address)
            .await
            .map_err(|_| format!("{} named no DevTools address within {LAUNCH_WITHIN:?}", program.display()))?
            .map_err(|_| format!("{} ended before it named a DevTools address", program.display()))?;
        let (socket, _) = connect_async(&address).await.map_err(|error| format!("connect to {address}: {error}"))?;
        Ok(Self { devtools: DevTools::start(socket), _process: process })
    }

    /// Opens `url` in a new page of its own context and waits until it has loaded.
    ///
    /// # Errors
    /// When the page cannot be made or reached, or has not loaded within 20 s.
    pub async fn open(&self, url: &str, options: &PageOptions) -> Result<Page, String> {
        let context = self.devtools.call(None, "Target.createBrowserContext", json!({})).await?;
        self.open_in(text_of(&context, "browserContextId")?, url, options).await
    }

    /// Opens `url` in another tab beside `page`, which has to live longer: both see the same storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_beside(&self, page: &Page, url: &str, options: &PageOptions) -> Result<Page, String> {
        self.open_in(page.context.clone(), url, options).await
    }

    async fn open_in(&self, context: String, url: &str, options: &PageOptions) -> Result<Page, String> {
        let target = json!({"url": "about:blank", "browserContextId": context});
        let target = self.devtools.call(None, "Target.createTarget", target).await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.devtools.call(None, "Target.attachToTarget", attach).await?;
        let page = Page { devtools: self.devtools.clone(), session: text_of(&attached, "sessionId")?, context };
        page.prepare(options).await?;
        page.go(url).await?;
        Ok(page)
    }
}

/// How a page looks to its visitor.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// Width of the viewport in CSS pixels. Up to 480 the page is shown as on a phone.
    pub width: u32,
    /// Height of the viewport in CSS pixels.
    pub height: u32,
    /// `navigator.languages` and `Accept-Language`, such as `zh-CN`.
    pub language: &'static str,
    /// `prefers-color-scheme`.
    pub dark: bool,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self { width: 1280, height: 800, language: "en", dark: false }
    }
}

/// One open page. Dropping it closes the page.
#[derive(Debug)]
pub struct Page {
    devtools: DevTools,
    session: String,
    context: String,
}

impl Page {
    /// The value of a JavaScript expression as JSON (`undefined` is `null`); a promise is awaited.
    ///
    /// # Errors
    /// The text of the exception, or that there was no answer within 20 s.
    pub async fn eval(&self, js: &str) -> Result<Value, String> {
        let params = json!({"expression": js, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.call("Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{}\nin {}", exception_text(details), shortened(js))),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until the expression `condition` is true.
    ///
    /// # Errors
    /// When it is not within `within`, with the condition and what the page shows; or when it throws.
    pub async fn wait_for(&self, condition: &str, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        while self.eval(&format!("Boolean({condition})")).await? != Value::Bool(true) {
            if Instant::now() >= deadline {
                let shown = self.text().await?;
                return Err(format!("not within {within:?}: {condition}\nthe page shows:\n{}", shortened(&shown)));
            }
            sleep(POLL_EVERY).await;
        }
        Ok(())
    }

    /// What the page shows, as text.
    ///
    /// # Errors
    /// As [`Page::eval`].
    pub async fn text(&self) -> Result<String, String> {
        let text = self.eval("document.body?.innerText ?? ''").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks with the mouse in the middle of the first element that matches the CSS `selector`.
    ///
    /// # Errors
    /// When nothing matches, or something else lies on top of it.
    pub async fn click(&self, selector: &str) -> Result<(), String> {
        let at = self.eval(&CLICK_POINT.replace("SELECTOR", &json!(selector).to_string())).await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": at["x"], "y": at["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params).await?;
        }
        Ok(())
    }

    /// Puts `text` where the focus is, as a keyboard or an input method would.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn type_text(&self, text: &str) -> Result<(), String> {
        self.call("Input.insertText", json!({"text": text})).await.map(drop)
    }

    /// Presses and releases a key: `Enter`, `Tab`, `Escape`, `Space`, `Backspace`, `Home`, `End`, an arrow (`ArrowDown`) or one
    /// ASCII letter or digit, with `Ctrl+`, `Shift+`, `Alt+`, `Meta+` before it.
    ///
    /// # Errors
    /// When the key is not one of these.
    pub async fn key(&self, keys: &str) -> Result<(), String> {
        let down = key_event(keys)?;
        let mut up = down.clone();
        up["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", down).await?;
        self.call("Input.dispatchKeyEvent", up).await.map(drop)
    }

    /// Loads the page again, and waits until it has.
    ///
    /// # Errors
    /// When it has not loaded within 20 s.
    pub async fn reload(&self) -> Result<(), String> {
        self.eval("void (window.isOld = true)").await?;
        self.call("Page.reload", json!({})).await?;
        let deadline = Instant::now() + LOAD_WITHIN;
        let loaded = "window.isOld === undefined && document.readyState === 'complete'";
        // Between the two documents there is none to ask.
        while self.eval(loaded).await != Ok(Value::Bool(true)) {
            if Instant::now() >= deadline {
                return Err(format!("not loaded again within {LOAD_WITHIN:?}"));
            }
            sleep(POLL_EVERY).await;
        }
        Ok(())
    }

    /// Writes a screenshot of the viewport to `path`, as PNG.
    ///
    /// # Errors
    /// When the picture cannot be taken or written.
    pub async fn screenshot(&self, path: &Path) -> Result<(), String> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let png = base64_decode(&text_of(&answer, "data")?)?;
        std::fs::write(path, png).map_err(|error| format!("write {}: {error}", path.display()))
    }

    /// What went wrong on the page since it was opened: uncaught exceptions, `console.error`, and the browser's own errors (blocked by
    /// the Content-Security-Policy, not found, a WebSocket that failed).
    #[must_use]
    pub fn console_errors(&self) -> Vec<String> {
        let errors = self.devtools.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.get(&self.session).cloned().unwrap_or_default()
    }

    async fn prepare(&self, options: &PageOptions) -> Result<(), String> {
        let PageOptions { width, height, language, dark } = options;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": *width <= 480});
        let scheme = if *dark { "dark" } else { "light" };
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        let agent = json!({"userAgent": self.eval("navigator.userAgent").await?, "acceptLanguage": language});
        for (method, params) in [
            ("Page.enable", json!({})),
            ("Runtime.enable", json!({})),
            ("Log.enable", json!({})),
            ("Emulation.setFocusEmulationEnabled", json!({"enabled": true})),
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", scheme),
            ("Emulation.setUserAgentOverride", agent),
        ] {
            self.call(method, params).await?;
        }
        Ok(())
    }

    async fn go(&self, url: &str) -> Result<(), String> {
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(format!("open {url}: {error}"));
        }
        // The old document answers until the new one is there, so "complete" alone would not be enough.
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'", LOAD_WITHIN).await
    }

    async fn call(&self, method: &'static str, params: Value) -> Result<Value, String> {
        self.devtools.call(Some(&self.session), method, params).await
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let (answer, _) = oneshot::channel();
        let params = json!({"browserContextId": self.context});
        // Not waited for: if the queue is full or the browser gone, the end of the browser closes the page.
        let call = Call { session: None, method: "Target.disposeBrowserContext", params, answer };
        drop(self.devtools.commands.try_send(call));
    }
}

const CLICK_POINT: &str = "(() => {
    const target = document.querySelector(SELECTOR);
    if (!target) throw new Error('nothing matches ' + SELECTOR);
    target.scrollIntoView({ block: 'center' });
    const box = target.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const top = document.elementFromPoint(x, y);
    if (!target.contains(top) && !top?.closest('label')?.contains(target)) throw new Error(SELECTOR + ' is covered by ' + top?.outerHTML.slice(0, 200));
    return { x, y };
})()";

/// The browser's process and profile folder.
#[derive(Debug)]
struct Process {
    child: Child,
    profile: PathBuf,
}

impl Process {
    /// The receiver gets the DevTools address from standard error.
    fn start(program: &Path) -> Result<(Self, oneshot::Receiver<String>), String> {
        static PROFILES: AtomicU32 = AtomicU32::new(0);
        let number = PROFILES.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("ws-tests-chromium-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&profile).map_err(|error| format!("make {}: {error}", profile.display()))?;
        let mut command = Command::new(program);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = child.map_err(|error| format!("start {}: {error}", program.display()))?;
        let mut process = Self { child, profile };
        let stderr = process.child.stderr.take().ok_or("no standard error")?;
        let (found, address) = oneshot::channel();
        // Reads on to the end: a full pipe would stop the browser.
        std::thread::spawn(move || {
            let mut found = Some(found);
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("DevTools listening on ") {
                    found.take().map(|found| found.send(address.trim().to_owned()));
                }
            }
        });
        Ok((process, address))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        // The browser's children end a moment after it and may still be writing.
        for _ in 0..REMOVE_TRIES_MAX {
            if std::fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists() {
                return;
            }
            std::thread::sleep(POLL_EVERY);
        }
    }
}

/// A `keyDown` for something like `Ctrl+Enter`.
fn key_event(keys: &str) -> Result<Value, String> {
    let mut parts: Vec<&str> = keys.split('+').collect();
    let key = parts.pop().unwrap_or_default();
    let mut modifiers = 0;
    for modifier in parts {
        modifiers |= match modifier {
            "Alt" => 1,
            "Ctrl" => 2,
            "Meta" => 4,
            "Shift" => 8,
            _ => return Err(format!("no modifier key {modifier} in {keys}")),
        };
    }
    let (code, number) = key_codes(key).ok_or_else(|| format!("no key {key} in {keys}"))?;
    let (key, text) = match key {
        "Enter" => (key, "\r"),
        "Space" => (" ", " "),
        _ => (key, if key.len() == 1 { key } else { "" }),
    };
    let mut event = json!({"type": "keyDown", "modifiers": modifiers, "key": key, "code": code});
    event["windowsVirtualKeyCode"] = json!(number);
    if modifiers & !8 == 0 && !text.is_empty() {
        event["text"] = json!(text); // with Ctrl, Alt or Meta a key writes nothing
    }
    Ok(event)
}

/// The `code` of the DOM's event, and the Windows key code by which Chromium acts.
fn key_codes(key: &str) -> Option<(String, u32)> {
    let number = match key {
        "Backspace" => 8,
        "Tab" => 9,
        "Enter" => 13,
        "Escape" => 27,
        "Space" => 32,
        "End" => 35,
        "Home" => 36,
        "ArrowLeft" => 37,
        "ArrowUp" => 38,
        "ArrowRight" => 39,
        "ArrowDown" => 40,
        _ => {
            let symbol = key.chars().next().filter(|symbol| key.len() == 1 && symbol.is_ascii_alphanumeric())?;
            let upper = symbol.to_ascii_uppercase();
            let group = if symbol.is_ascii_digit() { "Digit" } else { "Key" };
            return Some((format!("{group}{upper}"), u32::from(upper)));
        }
    };
    Some((key.to_owned(), number))
}

/// Base64 (RFC 4648, section 4), as DevTools sends it. Not worth a dependency for one screenshot.
fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|&known| known == symbol).ok_or("no base64")?;
        bits = bits << 6 | u32::try_from(value).map_err(|error| error.to_string())?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Ok(bytes)
}
