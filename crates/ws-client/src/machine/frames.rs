//! What arrives: one frame, and which part it belongs to.

use serde::Deserialize;
use serde_json::value::RawValue;
use ws_proto::event::Connected;
use ws_proto::{Event, ServerMessage};

use super::link::{Login, Phase};
use super::output::{Output, Why};
use super::problem::Cause;
use super::state::Machine;

#[derive(Deserialize)]
struct Notification {
    data: Box<RawValue>,
}

impl Machine {
    pub(super) fn frame(&mut self, attempt: u64, text: &str) {
        let t = self.t();
        let Some(link) = self.link.as_mut().filter(|link| link.attempt == attempt) else { return };
        link.heard = t;
        match ServerMessage::decode(text) {
            Ok(message) => self.message(message, text),
            Err(_) => self.fault(Cause::Frame),
        }
    }

    fn message(&mut self, message: ServerMessage<'_>, text: &str) {
        match message {
            ServerMessage::Response { id, data } => self.response(&id, data),
            ServerMessage::Error { id: Some(id), error } => self.refusal(&id, &error),
            ServerMessage::Ping => self.push(Output::Send { text: ws_proto::encode_pong().to_owned() }),
            ServerMessage::Pong => {
                if let Some(link) = &mut self.link {
                    link.probe_by = None;
                }
            }
            ServerMessage::Notification(event) => self.notification(event, text),
            // An error without an id is about a frame that we did not write.
            _ => {}
        }
    }

    fn notification(&mut self, event: Event<'_>, text: &str) {
        match event {
            Event::Connected(terms) => self.greeted(&terms),
            Event::Draining(draining) => {
                let [min, max] = draining.reconnect_after_ms;
                if self.slot.is_none() {
                    self.slot = Some(self.t() + min + self.random.below(max.saturating_sub(min)));
                }
            }
            Event::TokenExpiring(_) => {
                if self.options.provider && self.token.question.is_none() && self.phase == Phase::Connected {
                    self.ask(Why::Expiring, false);
                }
            }
            Event::Subscribed(data) => self.opened_by_server(&data),
            Event::Unsubscribed(ended) => self.unsubscribed(&ended),
            Event::Publication(publication) => self.publication(&publication),
            Event::ChannelGap(gap) => self.gap(&gap),
            Event::Join(join) => self.joined(&join.channel, true, &join.client),
            Event::Leave(leave) => self.joined(&leave.channel, false, &leave.client),
            Event::Presence(presence) => self.presence(&presence),
            _ => {
                if let Ok(notification) = serde_json::from_str::<Notification>(text) {
                    self.push(Output::Notification { data: notification.data });
                }
            }
        }
    }

    /// The server's first frame.
    fn greeted(&mut self, terms: &Connected) {
        let token = self.token.value.clone().flatten();
        let Some(link) = &mut self.link else { return };
        if link.greeted {
            return;
        }
        link.greeted = true;
        link.silence = terms.heartbeat.interval_ms.saturating_add(terms.heartbeat.timeout_ms).min(u64::MAX / 4);
        link.message_bytes_max = terms.limits.message_bytes_max;
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        self.server_ahead = signed(terms.time) - signed(self.clock.wall);
        if token.is_none() {
            link.login = Login::Done;
            self.connected(terms.user.clone());
        }
    }
}
