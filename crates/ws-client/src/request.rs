//! Requests of the caller: sent once, and never again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;
use ws_proto::action::Action;

use crate::client::Client;
use crate::command::Command;
use crate::machine::{Kind, Problem};

/// What the client itself asks for: a request of the caller would change what it knows.
const OWN: [&str; 3] = ["authenticate", "subscribe", "unsubscribe"];

impl Client {
    /// Asks the server for something, by one of the types in [`action`](crate::action), and returns the data of its
    /// response. It waits for the connection; dropping the future before it was sent takes it back.
    ///
    /// # Errors
    /// What the server said; `Lost` if the connection was lost before it answered: nobody can tell then whether it was
    /// done, and it is not sent again. `Full` if 1,000 wait already. `Encoding` if the answer is no such type.
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) -> Result<(), ws_client::Problem> {
    /// use ws_client::action::{Broadcast, GetConnections};
    ///
    /// println!("{} are connected", client.request(&GetConnections {}).await?.count);
    /// client.request(&Broadcast { message: "Hello, everybody" }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request<A>(&self, action: &A) -> Result<A::Response<Value>, Problem>
    where
        A: Action + Serialize,
        A::Response<Value>: DeserializeOwned,
    {
        self.request_by_name(A::NAME, action).await
    }

    /// The same for any action of the server, also one that this crate does not know.
    ///
    /// # Errors
    /// As [`request`](Client::request). `authenticate`, `subscribe` and `unsubscribe` are rejected: the client itself sends
    /// them ([`login`](Client::login), [`Channel::subscribe`](crate::Channel::subscribe)).
    ///
    /// ```no_run
    /// # async fn run(client: ws_client::Client) -> Result<(), ws_client::Problem> {
    /// use serde_json::{Value, json};
    ///
    /// let answer: Value = client.request_by_name("echo", &json!({"message": 1})).await?;
    /// assert_eq!(answer["echo"], 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_by_name<R: DeserializeOwned>(
        &self,
        action: &str,
        payload: &impl Serialize,
    ) -> Result<R, Problem> {
        if OWN.contains(&action) {
            let message = format!("`{action}` is sent by the client itself");
            return Err(Problem::with_message(Kind::Rejected, Some(message)));
        }
        let encoding = |error: serde_json::Error| Problem::with_message(Kind::Encoding, Some(error.to_string()));
        let payload = serde_json::to_string(payload).map_err(encoding)?;
        let data = self.ask(action.to_owned(), payload).await?;
        serde_json::from_str(&data).map_err(encoding)
    }

    /// The answer's `data`.
    async fn ask(&self, action: String, payload: String) -> Result<String, Problem> {
        let request = self.next_id();
        let (answer, answered) = oneshot::channel();
        self.send(Command::Request { request, action, payload, answer });
        let mut asked = Asked { client: self, request, is_answered: false };
        let answer = answered.await;
        asked.is_answered = true;
        answer.unwrap_or_else(|_| Err(Problem::new(Kind::Closed)))
    }
}

/// Takes a request back when nobody waits for it any more.
struct Asked<'a> {
    client: &'a Client,
    request: u64,
    is_answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.client.send(Command::Forget { request: self.request });
        }
    }
}
