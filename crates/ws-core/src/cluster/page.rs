//! Pages that several nodes have a part of.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The next entries of one node, or of all, in an order that all share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page<E> {
    pub(crate) entries: Vec<E>,
    /// There are more after the last one; then there is a last one.
    pub(crate) more: bool,
}

impl<E> Page<E> {
    /// From the next entries, one more than go into the page.
    pub(crate) fn of(mut entries: Vec<E>, max: usize) -> Self {
        let more = entries.len() > max;
        entries.truncate(max);
        Page { entries, more }
    }

    /// Its first entries, at most so many.
    pub(crate) fn cut(self, max: usize) -> Self {
        let Page { entries, more } = self;
        let page = Page::of(entries, max);
        Page { more: more || page.more, ..page }
    }
}

/// The next entries of all nodes, at most `max`. What several nodes have is joined into one.
pub(crate) fn merged<E>(
    pages: Vec<Page<E>>,
    max: usize,
    order: impl Fn(&E, &E) -> Ordering,
    join: impl Fn(&mut E, E),
) -> Page<E> {
    if let [_] = &pages[..] {
        return pages.into_iter().next().unwrap_or(Page { entries: Vec::new(), more: false });
    }
    let mut more = pages.iter().any(|page| page.more);
    // Behind the last entry of a page that goes on, what its node has is not known yet.
    let ends = pages.iter().filter(|page| page.more).map(|page| page.entries.last());
    let known = ends.flatten().min_by(|one, other| order(one, other));
    let known: Vec<usize> = pages
        .iter()
        .map(|page| page.entries.partition_point(|entry| known.is_none_or(|known| order(entry, known).is_le())))
        .collect();
    let mut all: Vec<E> =
        pages.into_iter().zip(known).flat_map(|(page, known)| page.entries.into_iter().take(known)).collect();
    // Stable: of equal ones, that of the first page comes first.
    all.sort_by(&order);
    let mut entries: Vec<E> = Vec::with_capacity(all.len().min(max));
    for entry in all {
        let len = entries.len();
        match entries.last_mut() {
            Some(last) if order(last, &entry).is_eq() => join(last, entry),
            _ if len == max => {
                more = true;
                break;
            }
            _ => entries.push(entry),
        }
    }
    Page { entries, more }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// All pages of these nodes, one after the other.
    fn read(nodes: &[BTreeMap<u16, u64>], max: usize, fitting: &[usize]) -> Vec<Vec<(u16, u64)>> {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let pages = nodes.iter().zip(fitting).map(|(node, fitting)| {
                let next = node.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
                Page::of(next.take(max + 1).map(|(key, n)| (*key, *n)).collect(), max).cut(*fitting)
            });
            let order = |one: &(u16, u64), other: &(u16, u64)| one.0.cmp(&other.0);
            let page = merged(pages.collect(), max, order, |kept, other| kept.1 += other.1);
            after = page.entries.last().map(|last| last.0);
            assert!(page.entries.len() <= max);
            read.push(page.entries);
            if !page.more {
                return read;
            }
            assert!(after.is_some(), "a page that goes on has something");
        }
    }

    proptest! {
        #[test]
        fn pages_have_everything_once_and_whole(
            nodes in prop::collection::vec(prop::collection::btree_map(0..40u16, 1..5u64, 0..30), 1..5),
            max in 1..12usize,
            fitting in prop::collection::vec(1..8usize, 5),
        ) {
            let mut expect = BTreeMap::new();
            for (key, n) in nodes.iter().flatten() {
                *expect.entry(*key).or_default() += n;
            }
            let pages = read(&nodes, max, &fitting);
            prop_assert!(pages.len() <= expect.len() + 1);
            let all: Vec<(u16, u64)> = pages.concat();
            prop_assert_eq!(all, expect.into_iter().collect::<Vec<_>>());
        }
    }
}
