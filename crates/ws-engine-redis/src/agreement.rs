//! Whether the servers of a cluster are configured the same where they must be: each renewal of a lease says what the others
//! have that is not the same.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use uuid::Uuid;

use crate::nodes::Roll;
use crate::shared::Shared;

impl Shared {
    /// What this server has, for the others; nothing where it is another unit that compares.
    pub(crate) fn agreement(&self) -> String {
        if self.keys.share().unit > 0 {
            return String::new();
        }
        self.options.agreement.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// Says which of the living servers have not the same as this one, each once for as long as that is so.
    pub(crate) fn compare(&self, others: &[(Uuid, String)], roll: &Roll) {
        let mut disagreeing = self.nodes.disagreeing.lock();
        let before: BTreeSet<_> = disagreeing.keys().copied().collect();
        // Who is missing may have lost its lease with the store, and be back soon.
        disagreeing.retain(|node, seen| {
            !roll.living.contains(node) && !roll.ended.contains(node) && seen.elapsed() < self.options.lease
        });
        disagreeing.extend(others.iter().map(|(node, _)| (*node, Instant::now())));
        let all_agree = disagreeing.is_empty();
        drop(disagreeing);
        let own = self.agreement();
        for (node, theirs) in others.iter().filter(|(node, _)| !before.contains(node)) {
            tracing::warn!(
                node = %node.simple(),
                differs = differences(&own, theirs),
                "another server of this cluster is configured otherwise, where all must be the same"
            );
        }
        if all_agree && !before.is_empty() {
            tracing::info!("all servers of this cluster are configured the same");
        }
    }
}

/// What is not the same in two texts: sections by their names, keys with their values.
fn differences(own: &str, theirs: &str) -> String {
    let parts = |text| str::lines(text).filter_map(|line| line.split_once('=')).collect::<BTreeMap<_, _>>();
    let (own, theirs) = (parts(own), parts(theirs));
    let names: BTreeSet<_> = own.keys().chain(theirs.keys()).copied().collect();
    let differs = names.into_iter().filter(|name| own.get(name) != theirs.get(name));
    let say = |name: &str| match (own.get(name), theirs.get(name)) {
        (Some(own), Some(theirs)) if !name.starts_with('[') => format!("{name} ({own} here, {theirs} there)"),
        _ => name.to_owned(),
    };
    differs.map(say).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let own = "[channels]=1\n[namespaces]=2\nengine.redis.lease=15s\n";
        let check = |theirs: &str, expect: &str| assert_eq!(differences(own, theirs), expect);
        check(own, "");
        check("[channels]=1\n[namespaces]=3\nengine.redis.lease=15s\n", "[namespaces]");
        check(
            "[channels]=1\n[namespaces]=2\nengine.redis.lease=3s\nother=1\n",
            "engine.redis.lease (15s here, 3s there), other",
        );
    }
}
