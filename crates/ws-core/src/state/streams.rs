//! The options of the streams of Claude's runs: those of the channel where Claude was asked, and whether the stream is held.
//!
//! Whoever uses a stream at the same time, its run and its readers, has the same options. They are found by name, and
//! gone with their last user.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::limits::STREAMS_PRUNED_FROM;
use crate::options::{ChannelOptions, Hold, StreamOptions};

/// See the module.
#[derive(Debug)]
pub(crate) struct Streams {
    options: StreamOptions,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    by_name: HashMap<Box<str>, Weak<ChannelOptions>>,
    /// With so many, those that nobody uses any more are removed.
    prune_at: usize,
}

impl Streams {
    pub(crate) fn new(options: StreamOptions) -> Self {
        Streams { options, used: Mutex::new(Used { by_name: HashMap::new(), prune_at: STREAMS_PRUNED_FROM }) }
    }

    /// The options of a stream of a channel that has the options `of`.
    pub(crate) fn options(&self, name: &str, of: &ChannelOptions) -> Arc<ChannelOptions> {
        let mut used = self.used.lock();
        if let Some(options) = used.by_name.get(name).and_then(Weak::upgrade) {
            return options;
        }
        if used.by_name.len() >= used.prune_at {
            used.by_name.retain(|_, options| options.strong_count() > 0);
            used.prune_at = STREAMS_PRUNED_FROM.max(2 * used.by_name.len());
        }
        let options = Arc::new(of.of_stream(self.options));
        used.by_name.insert(name.into(), Arc::downgrade(&options));
        options
    }

    /// Whether the run of a stream is open.
    pub(crate) fn is_held(&self, name: &str) -> bool {
        let options = self.used.lock().by_name.get(name).and_then(Weak::upgrade);
        options.is_some_and(|options| options.hold.as_deref().is_some_and(Hold::is_on))
    }
}
