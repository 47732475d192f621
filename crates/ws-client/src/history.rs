//! The history of a channel, page by page.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use ws_proto::action::{Action, GetHistory, HistoryData};
use ws_proto::limits::HISTORY_LIMIT_MAX;
use ws_proto::publication::HistoryEntry;

use crate::channel::Channel;
use crate::client::Client;
use crate::event::Event;
use crate::machine::{self, Kind, Problem};
use crate::position::Position;

type Recorded = HistoryEntry<'static, Box<RawValue>>;
type Page = HistoryData<'static, Recorded>;

/// What a channel keeps, from the oldest publication to the newest unless said otherwise. Pages are asked for as the stream
/// is polled, and one is held at a time.
///
/// Its items are [`Event::Publication`], with [`own`](crate::Publication::own) false, and [`Event::Undecodable`] in the place
/// of one that is no `T`. The first error is the last item: what the server said, `Lost` with the connection, or `Gap` where
/// publications are gone that should come next.
///
/// ```no_run
/// # async fn run(chat: ws_client::Channel<String>) -> Result<(), ws_client::Problem> {
/// use futures_util::TryStreamExt;
/// use ws_client::Event;
///
/// let mut newest = chat.history().reverse().limit(50);
/// while let Some(event) = newest.try_next().await? {
///     if let Event::Publication(publication) = event {
///         println!("{}", publication.data);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is asked for until it is polled"]
pub struct History<T> {
    channel: Channel<T>,
    since: Option<Position>,
    before: Option<u64>,
    is_reverse: bool,
    /// How many may still come.
    left: u64,
    pages: Pages,
    asked: Option<BoxFuture<'static, Result<Page, Problem>>>,
}

impl<T> fmt::Debug for History<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("channel", &self.channel).field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned> Channel<T> {
    /// What the channel keeps.
    ///
    /// ```no_run
    /// # async fn run(chat: ws_client::Channel<String>) {
    /// use futures_util::StreamExt;
    ///
    /// let mut history = chat.history();
    /// while let Some(event) = history.next().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub fn history(&self) -> History<T> {
        History::new(self.clone())
    }
}

impl<T> History<T> {
    fn new(channel: Channel<T>) -> Self {
        let (since, before, pages) = (None, None, Pages::default());
        History { channel, since, before, is_reverse: false, left: u64::MAX, pages, asked: None }
    }

    /// Only what came after this position.
    pub fn since(mut self, position: Position) -> Self {
        self.since = Some(position);
        self
    }

    /// Only what came before this offset.
    pub fn before(mut self, offset: u64) -> Self {
        self.before = Some(offset);
        self
    }

    /// The newest first.
    pub fn reverse(mut self) -> Self {
        self.is_reverse = true;
        self
    }

    /// At most so many.
    pub fn limit(mut self, publications: u64) -> Self {
        self.left = publications;
        self
    }

    /// The request for what comes next.
    fn next_page(&self) -> GetHistory<'static> {
        let at = self.pages.at.as_ref();
        let since = at.filter(|_| !self.is_reverse).or(self.since.as_ref());
        let before = at.filter(|_| self.is_reverse).map(|at| at.offset).or(self.before);
        GetHistory {
            channel: self.channel.name().to_owned().into(),
            limit: Some(u32::try_from(self.left).unwrap_or(u32::MAX).min(HISTORY_LIMIT_MAX)),
            since: since.map(|since| ws_proto::Position { epoch: since.epoch.clone().into(), offset: since.offset }),
            before,
            reverse: self.is_reverse.then_some(true),
        }
    }
}

impl<T: Serialize + DeserializeOwned> Stream for History<T> {
    type Item = Result<Event<T>, Problem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some((entry, position)) = self.pages.next() {
                self.left -= 1;
                return Poll::Ready(Some(Ok(event(entry, position))));
            }
            if let Some(error) = self.pages.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.pages.is_over || self.left == 0 {
                return Poll::Ready(None);
            }
            let page = match &mut self.asked {
                Some(asked) => ready!(asked.poll_unpin(cx)),
                None => {
                    let (client, request) = (self.channel.client().clone(), self.next_page());
                    self.asked = Some(ask(client, request).boxed());
                    continue;
                }
            };
            self.asked = None;
            let left = self.left;
            let bounds = Bounds { since: self.since.clone(), before: self.before, is_reverse: self.is_reverse };
            match page {
                Ok(page) => self.pages.add(page, &bounds, left),
                Err(error) => (self.pages.error, self.pages.is_over) = (Some(error), true),
            }
        }
    }
}

async fn ask(client: Client, request: GetHistory<'static>) -> Result<Page, Problem> {
    client.request_by_name(GetHistory::NAME, &request).await
}

fn event<T: DeserializeOwned>(entry: Recorded, position: Position) -> Event<T> {
    let tags = entry.tags.map(|tags| tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
    let publication = machine::Publication {
        offset: Some(entry.offset),
        data: entry.data,
        time: entry.time,
        from: entry.from,
        msg_id: entry.msg_id.map(Into::into),
        tags,
        own: false,
    };
    Event::from_machine(machine::Event::Publication(Box::new(publication)), Some(position))
}

struct Bounds {
    since: Option<Position>,
    before: Option<u64>,
    is_reverse: bool,
}

/// Pages put together: what is jumped over is an error.
#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Recorded>,
    /// The last one of the page before.
    at: Option<Position>,
    epoch: String,
    error: Option<Problem>,
    is_over: bool,
}

impl Pages {
    fn next(&mut self) -> Option<(Recorded, Position)> {
        let entry = self.entries.pop_front()?;
        let position = Position { epoch: self.epoch.clone(), offset: entry.offset };
        Some((entry, position))
    }

    /// Adds a page, of which at most `left` are wanted.
    fn add(&mut self, page: Page, bounds: &Bounds, left: u64) {
        let before = self.at.as_ref().or(bounds.since.as_ref().filter(|_| !bounds.is_reverse));
        if before.is_some_and(|before| before.epoch != page.epoch) {
            return self.jump();
        }
        let mut last = before.map(|before| before.offset);
        for entry in page.publications {
            let follows =
                |last: u64| if bounds.is_reverse { entry.offset + 1 == last } else { entry.offset == last + 1 };
            if !last.is_none_or(follows) {
                return self.jump();
            }
            last = Some(entry.offset);
            self.entries.push_back(entry);
        }
        self.epoch = page.epoch.into_owned();
        self.at = last.map(|offset| Position { epoch: self.epoch.clone(), offset });
        self.is_over = !page.more;
        // The newest one within the bounds is the last one to be dropped: if it does not come, it is gone.
        let newest = bounds.before.map_or(page.offset, |before| page.offset.min(before.saturating_sub(1)));
        let is_short = !bounds.is_reverse && last.is_some_and(|last| last < newest);
        if self.is_over && is_short && (self.entries.len() as u64) < left {
            self.jump();
        }
    }

    fn jump(&mut self) {
        (self.error, self.is_over) = (Some(Problem::new(Kind::Gap)), true);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(epoch: &str, offsets: &[u64], top: u64, more: bool) -> Page {
        let publications: Vec<_> =
            offsets.iter().map(|offset| json!({"offset": offset, "data": offset, "time": 1})).collect();
        let page = json!({"channel": "c", "epoch": epoch, "offset": top, "publications": publications, "more": more});
        serde_json::from_str(&page.to_string()).expect("a page")
    }

    /// The offsets that come, and whether it ends with a gap.
    fn read(bounds: &Bounds, given: &[Page]) -> (Vec<u64>, bool) {
        let (mut pages, mut came) = (Pages::default(), Vec::new());
        for page in given {
            assert!(!pages.is_over, "no further page is asked for");
            pages.add(page.clone(), bounds, 1_000);
            came.extend(std::iter::from_fn(|| pages.next()).map(|(entry, _)| entry.offset));
        }
        (came, pages.error.is_some_and(|error| error.kind == Kind::Gap))
    }

    #[test]
    fn pages_follow_each_other_or_there_is_a_gap() {
        let all = Bounds { since: None, before: None, is_reverse: false };
        assert_eq!(read(&all, &[page("e", &[4, 5], 7, true), page("e", &[6, 7], 7, false)]), (vec![4, 5, 6, 7], false));
        assert_eq!(read(&all, &[page("e", &[4, 5], 9, true), page("e", &[8, 9], 9, false)]), (vec![4, 5], true));
        assert_eq!(read(&all, &[page("e", &[4, 5], 9, true), page("f", &[1], 1, false)]), (vec![4, 5], true));
        assert_eq!(read(&all, &[page("e", &[4, 5], 9, true), page("e", &[], 9, false)]), (vec![4, 5], true));
        assert_eq!(read(&all, &[page("e", &[], 9, false)]), (vec![], false), "nothing is kept");

        let since =
            Bounds { since: Some(Position { epoch: "e".to_owned(), offset: 5 }), before: None, is_reverse: false };
        assert_eq!(read(&since, &[page("e", &[6], 6, false)]), (vec![6], false));
        assert_eq!(read(&since, &[page("e", &[8], 8, false)]), (vec![], true));
        assert_eq!(read(&since, &[page("e", &[], 5, false)]), (vec![], false));
        assert_eq!(read(&since, &[page("e", &[], 8, false)]), (vec![], true), "all of it is gone");
        let between = Bounds { before: Some(7), ..since };
        assert_eq!(read(&between, &[page("e", &[6], 20, false)]), (vec![6], false));

        let back = Bounds { since: None, before: Some(1_000), is_reverse: true };
        assert_eq!(read(&back, &[page("e", &[9, 8], 9, true), page("e", &[7], 9, false)]), (vec![9, 8, 7], false));
        assert_eq!(read(&back, &[page("e", &[9, 8], 9, true), page("e", &[6], 9, false)]), (vec![9, 8], true));
        assert_eq!(read(&back, &[page("e", &[9, 8], 9, true), page("e", &[], 9, false)]), (vec![9, 8], false));
    }
}
