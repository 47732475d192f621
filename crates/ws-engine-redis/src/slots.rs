//! Which node of a Redis Cluster has which slots.
//!
//! Any node can say it, and is asked before each dial; those who dial at about the same time are answered together. Nodes are
//! asked in turn: first the one that has answered last and those that it has named, then those that are configured. One whose
//! answer has led nowhere is asked last: a node that was cut off from the others goes on to name itself.

use std::fmt;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::dial::{DialError, dial_node};
use crate::limits::SLOTS_FRESH;
use crate::link::Failure;
use crate::location::Address;
use crate::options::RedisOptions;
use crate::resp::Value;

/// See the module.
pub(crate) struct Slots {
    configured: Vec<Address>,
    last: Mutex<Last>,
}

/// What was answered last.
#[derive(Default)]
struct Last {
    /// Who has answered is the first one.
    nodes: Vec<Address>,
    answer: Option<(Instant, Result<Vec<Range>, DialError>)>,
}

impl Last {
    /// Has all others be asked before the node that has answered.
    fn doubt(&mut self, configured: &[Address]) {
        self.answer = None;
        let Some(doubted) = self.nodes.first().cloned() else { return };
        let mut nodes = Vec::new();
        for node in self.nodes[1..].iter().chain(configured).filter(|node| **node != doubted) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes.push(doubted);
        self.nodes = nodes;
    }
}

/// The primary of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) primary: Address,
    /// The node that has named it.
    pub(crate) by: Address,
}

/// Slots from the first to the last, and their primary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: Address,
}

impl Slots {
    pub(crate) fn new(configured: Vec<Address>) -> Self {
        Slots { configured, last: Mutex::default() }
    }

    /// The nodes that an operator has named.
    pub(crate) fn configured(&self) -> &[Address] {
        &self.configured
    }

    /// The primary of a slot.
    ///
    /// # Errors
    /// [`DialError`]: `Refused` where logins are all that is in the way.
    pub(crate) async fn primary(&self, slot: u16, options: &RedisOptions) -> Result<Lead, DialError> {
        let mut last = self.last.lock().await;
        let ranges = match &last.answer {
            Some((at, answer)) if at.elapsed() < SLOTS_FRESH => answer.clone()?,
            _ => {
                let answer = self.ask_all(options, &mut last.nodes).await;
                last.answer = Some((Instant::now(), answer.clone()));
                answer?
            }
        };
        let range = ranges.into_iter().find(|range| (range.first..=range.last).contains(&slot));
        if let (Some(range), Some(by)) = (range, last.nodes.first().cloned()) {
            return Ok(Lead { primary: range.primary, by });
        }
        last.doubt(&self.configured);
        Err(DialError::Unreachable(format!("no node of the Redis Cluster has the slot {slot}")))
    }

    /// What this node has answered has led nowhere. Of all whom it has misled, the first one to say so counts.
    pub(crate) async fn doubt(&self, node: &Address) {
        let mut last = self.last.lock().await;
        if last.nodes.first() == Some(node) {
            last.doubt(&self.configured);
        }
    }

    async fn ask_all(&self, options: &RedisOptions, nodes: &mut Vec<Address>) -> Result<Vec<Range>, DialError> {
        let new = self.configured.iter().filter(|node| !nodes.contains(node));
        let all: Vec<_> = nodes.iter().chain(new).cloned().collect();
        let mut errors = Vec::new();
        for node in all {
            match ask(options, &node).await {
                Ok(ranges) => {
                    *nodes = vec![node];
                    for range in &ranges {
                        if !nodes.contains(&range.primary) {
                            nodes.push(range.primary.clone());
                        }
                    }
                    return Ok(ranges);
                }
                Err(error) => errors.push(error),
            }
        }
        let is_refused = errors.iter().all(|error| matches!(error, DialError::Refused(_)));
        let words = errors.iter().map(DialError::to_string).collect::<Vec<_>>().join("; ");
        let words = format!("no node says where the slots of the Redis Cluster are: {words}");
        Err(if is_refused { DialError::Refused(words) } else { DialError::Unreachable(words) })
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("configured", &self.configured).finish_non_exhaustive()
    }
}

/// Asks one node.
async fn ask(options: &RedisOptions, node: &Address) -> Result<Vec<Range>, DialError> {
    let link = dial_node(options, node).await?;
    match link.call(["CLUSTER", "SLOTS"]).await {
        Ok(answer) => {
            let strange = || DialError::Unreachable(format!("{node} answers CLUSTER SLOTS with something else"));
            ranges(&answer, node).ok_or_else(strange)
        }
        Err(Failure::Refused(error)) if error.starts_with("ERR") || error.starts_with("NOPERM") => {
            Err(DialError::Refused(format!("{node} refuses CLUSTER SLOTS: {error}")))
        }
        Err(failure) => Err(DialError::Unreachable(format!("{node}: {failure}"))),
    }
}

/// An answer of a node: a primary without a host is the node itself.
fn ranges(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let range = |value: &Value| {
        let [first, last, primary, ..] = value.as_array()? else { return None };
        let [host, port, ..] = primary.as_array()? else { return None };
        let [first, last, port] = [first, last, port].map(|value| value.as_int().and_then(|n| u16::try_from(n).ok()));
        let host = std::str::from_utf8(host.as_bytes().unwrap_or_default()).ok()?;
        let primary = match (host, asked) {
            ("", Address::Tcp(host, _)) => Address::Tcp(host.clone(), port?),
            ("", Address::Unix(_)) => asked.clone(),
            (host, _) => Address::Tcp(host.to_owned(), port?),
        };
        Some(Range { first: first?, last: last?, primary })
    };
    // It may not know where one of the others is.
    let known = |value: &&Value| !matches!(value.as_array(), Some([_, _, primary, ..]) if is_unknown(primary));
    answer.as_array()?.iter().filter(known).map(range).collect()
}

fn is_unknown(node: &Value) -> bool {
    node.as_array().and_then(|parts| parts.first()?.as_bytes()) == Some(b"?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{accept, listen, slots};

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::Bytes(b"id".to_vec()), Value::Array(Vec::new())])
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    #[test]
    fn each_slot_has_the_primary_that_is_named_first() {
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let range =
            |first, last, nodes: Vec<Value>| Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat());
        let answer = Value::Array(vec![
            range(0, 99, vec![node(text("10.0.0.1"), 7000), node(text("10.0.0.9"), 7009)]),
            range(100, 199, vec![node(Value::Null, 7001)]),
            range(200, 299, vec![node(text(""), 7002)]),
            range(300, 399, vec![node(text("?"), 7003)]),
        ]);
        let expect = |first, last, primary| Range { first, last, primary };
        let asked = tcp("cache.example", 6379);
        assert_eq!(
            ranges(&answer, &asked),
            Some(vec![
                expect(0, 99, tcp("10.0.0.1", 7000)),
                expect(100, 199, tcp("cache.example", 7001)),
                expect(200, 299, tcp("cache.example", 7002)),
            ])
        );
        assert_eq!(ranges(&Value::Null, &asked), None);
        assert_eq!(ranges(&Value::Array(vec![Value::Int(1)]), &asked), None);
    }

    /// Has a node answer that it has these slots itself. Whom the cluster leads to with the slot 0.
    async fn ask(all: &Slots, options: &RedisOptions, node: &tokio::net::TcpListener, own: &str) -> Option<Lead> {
        let answer = async {
            let mut peer = accept(node).await;
            peer.greet().await;
            assert_eq!(peer.next().await, [b"CLUSTER".to_vec(), b"SLOTS".to_vec()]);
            peer.say(&slots(own, node)).await;
            peer.is_closed().await;
        };
        let (lead, ()) = tokio::join!(all.primary(0, options), answer);
        lead.ok()
    }

    #[tokio::test]
    async fn who_has_led_nowhere_is_asked_last() {
        let ((a, of_a), (b, of_b)) = (listen().await, listen().await);
        let [at_a, at_b] = [of_a, of_b.clone()].map(|options| crate::fake::address(&options));
        let all = Slots::new(vec![at_a.clone(), at_b.clone()]);
        let itself = |at: &Address| Some(Lead { primary: at.clone(), by: at.clone() });
        assert_eq!(ask(&all, &of_b, &a, "0-16383").await, itself(&at_a));
        // Several were misled.
        all.doubt(&at_a).await;
        all.doubt(&at_a).await;
        assert_eq!(all.last.lock().await.nodes, [at_b.clone(), at_a.clone()]);
        assert_eq!(ask(&all, &of_b, &b, "0-16383").await, itself(&at_b));
        all.doubt(&at_a).await;
        assert_eq!(all.last.lock().await.nodes, std::slice::from_ref(&at_b), "it is not about this one");
        all.doubt(&at_b).await;
        assert_eq!(ask(&all, &of_b, &a, "1-16383").await, None);
        assert_eq!(ask(&all, &of_b, &b, "0-16383").await, itself(&at_b));
    }
}
