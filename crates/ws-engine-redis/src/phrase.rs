//! Operations about the cluster as commands of Redis.

use uuid::Uuid;

use crate::nodes::Own;
use crate::op::{Op, Put};
use crate::scripts::Script;
use crate::shared::Shared;

/// The arguments of a command.
pub(crate) type Args = Vec<Vec<u8>>;

impl Shared {
    /// The command of an operation.
    pub(crate) fn phrase(&self, op: &Op) -> Args {
        let own = self.nodes.own_name();
        match op {
            Op::Put(put) => self.put_args(put, &own),
            Op::Members { channel, after, limit, .. } => {
                let partition = self.keys.partition(channel);
                let (node, connection) = match after {
                    Some(after) => (after.node.simple().to_string(), after.connection.as_bytes().to_vec()),
                    None => (String::new(), Vec::new()),
                };
                let mut args = self.of_nodes(Script::Members, Vec::new());
                args.extend([self.keys.base(partition), channel.to_string(), node].map(String::into_bytes));
                args.extend([connection, limit.to_string().into_bytes()]);
                args
            }
            Op::Nodes(_) | Op::Elsewhere(_) => self.of_nodes(Script::Nodes, vec![self.keys.connections()]),
            Op::Admit { user, max, .. } => self.admit_args(user, &own, "1", *max),
            Op::Dismiss(user) => self.admit_args(user, &own, "-1", 0),
            Op::Users(partition, users) => {
                let counts = self.nodes.users.lock();
                let count = |user: &str| counts.get(user).copied().unwrap_or_default();
                let users: Vec<_> = users.iter().map(|user| (&**user, count(user))).collect();
                drop(counts);
                self.users_args(*partition, &own, &users)
            }
            Op::Send { to, message, .. } => {
                let topic = to.map_or_else(|| self.keys.all_nodes(), |to| self.keys.node(&to.simple().to_string()));
                let mut args = self.of_nodes(Script::Send, Vec::new());
                args.extend([topic.into_bytes(), self.letter(message)]);
                args
            }
        }
    }

    /// Sets the members of a node.
    pub(crate) fn put_args(&self, put: &Put, node: &str) -> Args {
        let Put { channel, is_announced, between, members, only_leaves } = put;
        let partition = self.keys.partition(channel);
        let enters = !members.is_empty() && !only_leaves;
        let script = if enters { Script::Enter } else { Script::Leave };
        let announced = match is_announced {
            None => "",
            Some(false) => "0",
            Some(true) => "1",
        };
        let (base, topic) = (self.keys.base(partition), self.keys.topic(partition, channel));
        let texts = [node, &base, channel, &topic, announced, if enters { "1" } else { "0" }];
        let mut args = self.of_nodes(script, vec![self.keys.presence(partition, channel)]);
        args.extend(texts.map(|text| text.as_bytes().to_vec()));
        args.extend([between.0, between.1].map(|connection| connection.as_bytes().to_vec()));
        args.extend(members.iter().cloned());
        args
    }

    /// Sets how many connections users of one partition have on a node.
    pub(crate) fn users_args(&self, partition: usize, node: &str, users: &[(&str, u64)]) -> Args {
        let keys = users.iter().map(|(user, _)| self.keys.user(partition, user));
        let keys = std::iter::once(self.keys.users_of(partition, node)).chain(keys).collect();
        let mut args = self.of_nodes(Script::Users, keys);
        args.push(node.as_bytes().to_vec());
        for (user, connections) in users {
            args.extend([user.as_bytes().to_vec(), connections.to_string().into_bytes()]);
        }
        args
    }

    /// Counts how many are in channels of one partition.
    pub(crate) fn counts_args(&self, partition: usize, channels: &[&str]) -> Args {
        let mut args = self.of_nodes(Script::Counts, Vec::new());
        args.push(self.keys.base(partition).into_bytes());
        args.extend(channels.iter().map(|channel| channel.as_bytes().to_vec()));
        args
    }

    /// Asks what the store has of a node in a partition.
    pub(crate) fn held_args(&self, partition: usize, node: &str) -> Args {
        let keys = [self.keys.channels_of(partition, node), self.keys.users_of(partition, node)];
        self.eval(Script::Held, keys.map(String::into_bytes).to_vec())
    }

    /// Renews the own lease.
    pub(crate) fn lease_args(&self, own: Own, connections: u64) -> Args {
        let Own { node, is_new, generation } = own;
        let keys = [self.keys.nodes(), self.keys.connections(), self.keys.generation(0)].map(String::into_bytes);
        let mut args = self.eval(Script::Lease, keys.to_vec());
        let is_new = u8::from(is_new).to_string();
        let texts = [self.lease_ms(), node.simple().to_string(), connections.to_string(), is_new];
        args.extend(texts.map(String::into_bytes));
        args.extend([generation.to_be_bytes().to_vec(), self.nodes.number().into_bytes()]);
        args.push(self.agreement().into_bytes());
        args
    }

    /// Ends the lease of a node, and tells the others.
    pub(crate) fn end_args(&self, node: Uuid) -> Args {
        let mut args = self.of_nodes(Script::End, vec![self.keys.connections()]);
        args.extend([node.simple().to_string(), self.keys.all_nodes()].map(String::into_bytes));
        args.push(b"E".to_vec());
        args
    }

    /// Forgets a node.
    pub(crate) fn forget_args(&self, node: &str) -> Args {
        let mut args = self.of_nodes(Script::Forget, vec![self.keys.connections()]);
        args.push(node.as_bytes().to_vec());
        args
    }

    fn admit_args(&self, user: &str, own: &str, change: &str, max: u64) -> Args {
        let partition = self.keys.partition(user);
        let keys = vec![self.keys.user(partition, user), self.keys.users_of(partition, own)];
        let mut args = self.of_nodes(Script::Admit, keys);
        args.extend([user, change, &max.to_string()].map(|text| text.as_bytes().to_vec()));
        args
    }

    /// A message to other nodes, with who sends it.
    fn letter(&self, message: &[u8]) -> Vec<u8> {
        [b"M", &self.node[..], self.nodes.own().node.as_bytes(), message].concat()
    }

    /// The beginning of a script that the own lease must be valid for; `keys` are the others.
    fn of_nodes(&self, script: Script, keys: Vec<String>) -> Args {
        let keys = std::iter::once(self.keys.nodes()).chain(keys).map(String::into_bytes).collect();
        let mut args = self.eval(script, keys);
        args.extend([self.lease_ms(), self.nodes.own_name(), self.nodes.number()].map(String::into_bytes));
        args
    }

    fn lease_ms(&self) -> String {
        self.options.lease.as_millis().to_string()
    }
}
