//! The DevTools protocol on one socket: commands with their answers, and the errors that pages report.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const COMMANDS_QUEUED_MAX: usize = 64;
const SHOWN_CHARS_MAX: usize = 2_000;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type Answer = oneshot::Sender<Result<Value, String>>;
pub(crate) type Errors = Arc<Mutex<HashMap<String, Vec<String>>>>;

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) session: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    pub(crate) answer: Answer,
}

/// Handle to the task that owns the DevTools socket; the task ends with the last handle or with the browser.
#[derive(Clone, Debug)]
pub(crate) struct DevTools {
    pub(crate) commands: mpsc::Sender<Call>,
    pub(crate) errors: Errors,
}

impl DevTools {
    pub(crate) fn start(socket: Socket) -> Self {
        let (commands, queue) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let errors = Errors::default();
        tokio::spawn(drive(socket, queue, Arc::clone(&errors)));
        Self { commands, errors }
    }

    pub(crate) async fn call(
        &self,
        session: Option<&str>,
        method: &'static str,
        params: Value,
    ) -> Result<Value, String> {
        let (answer, answered) = oneshot::channel();
        let call = Call { session: session.map(str::to_owned), method, params, answer };
        self.commands.send(call).await.map_err(|_| format!("{method}: the browser is gone"))?;
        timeout(ANSWER_WITHIN, answered)
            .await
            .map_err(|_| format!("{method}: no answer within {ANSWER_WITHIN:?}"))?
            .map_err(|_| format!("{method}: the browser went away"))?
    }
}

async fn drive(mut socket: Socket, mut queue: mpsc::Receiver<Call>, errors: Errors) {
    let mut waiting: HashMap<u64, Answer> = HashMap::new();
    for id in 1.. {
        let call = loop {
            tokio::select! {
                call = queue.recv() => break call,
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => receive(&text, &mut waiting, &errors),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
            }
        };
        let Some(Call { session, method, params, answer }) = call else { return };
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        waiting.insert(id, answer);
        if socket.send(Message::text(command.to_string())).await.is_err() {
            return;
        }
    }
}

pub(crate) fn receive(text: &str, waiting: &mut HashMap<u64, Answer>, errors: &Errors) {
    let Ok(message) = serde_json::from_str::<Value>(text) else { return };
    if let Some(answer) = message["id"].as_u64().and_then(|id| waiting.remove(&id)) {
        let result = match message.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(message["result"].clone()),
        };
        drop(answer.send(result)); // a caller that no longer waits is fine
    } else if let (Some(session), Some(error)) = (message["sessionId"].as_str(), error_text(&message)) {
        let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.entry(session.to_owned()).or_default().push(error);
    }
}

/// What an event says is wrong; `None` for all other events.
pub(crate) fn error_text(message: &Value) -> Option<String> {
    let params = &message["params"];
    match message["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(exception_text(&params["exceptionDetails"])),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!("{} {}", entry["text"].as_str()?, entry["url"].as_str().unwrap_or_default()))
        }
        "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "assert" => {
            let shown =
                |value: &Value| value["description"].as_str().map_or_else(|| value["value"].to_string(), str::to_owned);
            let words: Vec<String> = params["args"].as_array()?.iter().map(shown).collect();
            Some(words.join(" "))
        }
        _ => None,
    }
}

pub(crate) fn exception_text(details: &Value) -> String {
    let described = details["exception"]["description"].as_str().or_else(|| details["text"].as_str());
    described.map_or_else(|| details.to_string(), str::to_owned)
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

pub(crate) fn text_of(answer: &Value, field: &str) -> Result<String, String> {
    answer[field].as_str().map(str::to_owned).ok_or_else(|| format!("no {field} in {answer}"))
}
