//! Which server is the primary at the moment.
//!
//! Sentinels are asked in turn: first who was right the last time, then those that are configured, then those that they
//! have named. What one says counts once that server says that it is the primary: a Sentinel that was cut off names an
//! earlier one.

use std::future::pending;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::sleep;

use crate::dial::{DialError, dial, dial_sentinel, is_login};
use crate::limits::{SENTINELS_EVERY, SENTINELS_MAX};
use crate::link::{Failure, Link, Patience};
use crate::location::{Address, Location};
use crate::options::RedisOptions;
use crate::resp::Value;
use crate::slots::{Lead, Slots};

/// Finds the primary, before each dial.
#[derive(Debug)]
pub(crate) struct Finder {
    location: Location,
    /// Sentinels, in the order in which they are asked.
    sentinels: Mutex<Vec<Address>>,
    /// In a Redis Cluster: which slot it is about.
    slot: Option<(Arc<Slots>, u16)>,
    /// The node of it that has named the primary.
    led_by: Mutex<Option<Address>>,
}

impl Finder {
    pub(crate) fn new(location: Location) -> Self {
        let sentinels = Mutex::new(configured(&location).to_vec());
        Finder { location, sentinels, slot: None, led_by: Mutex::default() }
    }

    /// Of a slot of a Redis Cluster.
    pub(crate) fn of_slot(slots: Arc<Slots>, slot: u16) -> Self {
        let location = Location::Cluster(slots.configured().to_vec());
        Finder { location, sentinels: Mutex::default(), slot: Some((slots, slot)), led_by: Mutex::default() }
    }

    /// Who knows where the slots of the Redis Cluster are.
    pub(crate) fn slots(&self) -> Option<&Slots> {
        self.slot.as_ref().map(|(slots, _)| &**slots)
    }

    /// The primary, where it is always the same server.
    pub(crate) fn fixed(&self) -> Option<&Address> {
        match &self.location {
            Location::Server(address) => Some(address),
            Location::Sentinel { .. } | Location::Cluster(_) => None,
        }
    }

    /// The address of the primary. `current`: one that is known to be a primary, and is not asked whether it is.
    ///
    /// # Errors
    /// [`DialError`]: `Refused` where logins are all that is in the way.
    pub(crate) async fn find(&self, options: &RedisOptions, current: Option<&Address>) -> Result<Address, DialError> {
        match &self.location {
            Location::Server(address) => Ok(address.clone()),
            Location::Sentinel { primary, .. } => self.ask_all(options, primary, current).await,
            Location::Cluster(_) => match &self.slot {
                Some((slots, slot)) => {
                    *self.led_by.lock() = None;
                    let Lead { primary, by } = slots.primary(*slot, options).await?;
                    *self.led_by.lock() = Some(by);
                    Ok(primary)
                }
                None => Err(DialError::Unreachable("it is not known for which slot".to_owned())),
            },
        }
    }

    /// The address that was found last was of no use.
    pub(crate) async fn doubt(&self) {
        let led_by = self.led_by.lock().take();
        if let (Some((slots, _)), Some(led_by)) = (&self.slot, led_by) {
            slots.doubt(&led_by).await;
        }
    }

    /// Waits until Sentinels lead away from this primary. Where to, in words.
    ///
    /// When operators have them promote another one, the earlier one takes writes for some 10 s more.
    pub(crate) async fn has_moved(&self, options: &RedisOptions, current: &Address) -> String {
        // A node of a Redis Cluster says itself that another one has its slots.
        while self.location.is_sentinel() {
            sleep(SENTINELS_EVERY).await;
            // Where they cannot be asked, the connections say whether it is there.
            if let Ok(now) = self.find(options, Some(current)).await
                && now != *current
            {
                return format!("Sentinels lead to {now}, and no longer to {current}");
            }
        }
        pending().await
    }

    async fn ask_all(
        &self,
        options: &RedisOptions,
        primary: &str,
        current: Option<&Address>,
    ) -> Result<Address, DialError> {
        let mut sentinels = self.sentinels.lock().clone();
        let (mut errors, mut tried, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(sentinel) = sentinels.get(at).cloned() {
            at += 1;
            let (address, others) = match ask(options, &sentinel, primary).await {
                Ok(answer) => answer,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if !tried.contains(&address) {
                let is_known = current == Some(&address);
                match if is_known { Ok(()) } else { is_primary(options, &address).await } {
                    Ok(()) => {
                        let known = [vec![sentinel], configured(&self.location).to_vec(), others].concat();
                        *self.sentinels.lock() = distinct(known);
                        return Ok(address);
                    }
                    Err(error) => errors.push(error),
                }
                tried.push(address);
            }
            sentinels = distinct([sentinels, others].concat());
        }
        let is_refused = errors.iter().all(|error| matches!(error, DialError::Refused(_)));
        let words = errors.iter().map(DialError::to_string).collect::<Vec<_>>().join("; ");
        let words = format!("no Sentinel leads to the primary {primary:?}: {words}");
        Err(if is_refused { DialError::Refused(words) } else { DialError::Unreachable(words) })
    }
}

fn configured(location: &Location) -> &[Address] {
    match location {
        Location::Sentinel { sentinels, .. } => sentinels,
        Location::Server(_) | Location::Cluster(_) => &[],
    }
}

/// Each once, in the order in which they first come; as many as are asked.
fn distinct(all: Vec<Address>) -> Vec<Address> {
    let mut distinct = Vec::with_capacity(all.len());
    for address in all {
        if !distinct.contains(&address) && distinct.len() < SENTINELS_MAX {
            distinct.push(address);
        }
    }
    distinct
}

/// Which primary a Sentinel names, and which other Sentinels.
async fn ask(options: &RedisOptions, sentinel: &Address, primary: &str) -> Result<(Address, Vec<Address>), DialError> {
    let link = dial_sentinel(options, sentinel).await?;
    let named = call(&link, sentinel, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", primary]).await?;
    let unknown = || DialError::Unreachable(format!("{sentinel} knows no primary of that name"));
    let named = address_of(&named).ok_or_else(unknown)?;
    let others = call(&link, sentinel, ["SENTINEL", "SENTINELS", primary]).await?;
    Ok((named, others.as_array().unwrap_or_default().iter().filter_map(sentinel_of).collect()))
}

/// Whether a server takes writes.
async fn is_primary(options: &RedisOptions, address: &Address) -> Result<(), DialError> {
    let dialled = dial(options, address, Patience::Command(options.command_timeout), Box::new(|_| {})).await;
    dialled.map(drop)
}

async fn call(link: &Link, sentinel: &Address, command: [&str; 3]) -> Result<Value, DialError> {
    link.call(command).await.map_err(|failure| match failure {
        Failure::Refused(error) if is_login(&error) => {
            DialError::Refused(format!("{sentinel} refuses {} {}: {error}", command[0], command[1]))
        }
        failure => DialError::Unreachable(format!("{sentinel}: {failure}")),
    })
}

/// A host and a port.
fn address_of(answer: &Value) -> Option<Address> {
    let [host, port] = answer.as_array()? else { return None };
    address(host, port)
}

/// Another Sentinel, as one describes it: names and values in turn.
fn sentinel_of(description: &Value) -> Option<Address> {
    let fields = description.as_array()?;
    let get = |name: &[u8]| fields.chunks_exact(2).find(|pair| pair[0].as_bytes() == Some(name)).map(|pair| &pair[1]);
    address(get(b"ip")?, get(b"port")?)
}

fn address(host: &Value, port: &Value) -> Option<Address> {
    let [host, port] = [host, port].map(|value| value.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()));
    let (host, port) = (host?, port?.parse().ok()?);
    (!host.is_empty()).then(|| Address::Tcp(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    #[test]
    fn a_primary_is_a_host_and_a_port() {
        let answer = |parts: &[&str]| address_of(&Value::Array(parts.iter().map(|part| text(part)).collect()));
        assert_eq!(answer(&["10.0.0.1", "6379"]), Some(tcp("10.0.0.1", 6379)));
        assert_eq!(answer(&["::1", "6379"]), Some(tcp("::1", 6379)));
        for wrong in [&["", "6379"][..], &["10.0.0.1", "x"], &["10.0.0.1"], &[]] {
            assert_eq!(answer(wrong), None, "{wrong:?}");
        }
        assert_eq!(address_of(&Value::Null), None);
    }

    #[test]
    fn other_sentinels_are_read_from_their_descriptions() {
        let fields = ["name", "x", "ip", "10.0.0.2", "port", "26379", "flags", "sentinel"].map(text);
        assert_eq!(sentinel_of(&Value::Array(fields.to_vec())), Some(tcp("10.0.0.2", 26379)));
        assert_eq!(sentinel_of(&Value::Array(fields[..4].to_vec())), None);
    }

    #[test]
    fn sentinels_are_asked_once_and_not_without_end() {
        let all = distinct(vec![tcp("b", 1), tcp("a", 1), tcp("b", 1), tcp("b", 2)]);
        assert_eq!(all, [tcp("b", 1), tcp("a", 1), tcp("b", 2)]);
        assert_eq!(distinct((1..1000).map(|port| tcp("a", port)).collect()).len(), SENTINELS_MAX);
    }
}
