//! The WebSocket handshake over an open stream, and what a refusal says.

use serde::Deserialize;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{LOCATION, RETRY_AFTER, USER_AGENT};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::error::DialError;
use super::io::Io;
use super::limits::SocketLimits;
use super::retry_after;
use super::socket::Socket;
use super::target::Target;

/// What a server said is shortened to so many characters.
const SAID_CHARS_MAX: usize = 200;

pub(super) async fn handshake(
    target: &Target,
    stream: Box<dyn Io>,
    limits: &SocketLimits,
) -> Result<Socket, DialError> {
    let failed = |error: &Error| DialError::Handshake { host: target.to_string(), reason: reason(error) };
    let mut request = target.as_str().into_client_request().map_err(|error| failed(&error))?;
    let agent = HeaderValue::from_static(concat!("ws-client/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let config = WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer_bytes)
        .write_buffer_size(limits.write_buffer_bytes)
        .max_write_buffer_size(limits.write_buffer_bytes_max)
        .max_message_size(Some(limits.message_bytes_max))
        .max_frame_size(Some(limits.message_bytes_max));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((stream, _)) => Ok(Socket::new(stream)),
        Err(Error::Http(response)) => Err(refused(target, &response)),
        Err(error) => Err(failed(&error)),
    }
}

fn reason(error: &Error) -> String {
    match error {
        // Without the words "IO error".
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The body of errors of ws-server.
#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    code: String,
    message: String,
}

fn refused(target: &Target, response: &Response<Option<Vec<u8>>>) -> DialError {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let status = response.status();
    let may_say_when = matches!(status.as_u16(), 429 | 503);
    let retry_after = header(RETRY_AFTER).filter(|_| may_say_when).and_then(retry_after::parse);
    let body = response.body().as_deref().and_then(|body| serde_json::from_slice::<Body>(body).ok());
    let said = match (body, header(LOCATION).filter(|_| status.is_redirection())) {
        (Some(Body { error }), _) => Some(format!("{}: {}", error.code, error.message)),
        (None, Some(location)) => Some(format!("redirects are not followed; use the URL {location:?}")),
        (None, None) => status.canonical_reason().map(str::to_owned),
    };
    let said = said.map(|said| said.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect());
    DialError::Refused { host: target.to_string(), status: status.as_u16(), retry_after, said }
}
