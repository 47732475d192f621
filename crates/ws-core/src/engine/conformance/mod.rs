//! What every engine has to do, as tests that any of them can run: the meaning of [`Engine`].
//!
//! Each case gets an engine of its own, started with a sink that keeps a record. What holds for every call, in
//! every case, is checked by the fixture and its sink: that an answer comes within ten seconds, that the sink
//! has been given a publication before its publisher is answered, that no history is ahead of the sink, that
//! nothing is delivered twice or out of order, that an epoch stands for one channel of one engine.
//!
//! Not in here: what an engine does over a restart, among several nodes, and at its limits.

mod channels;
mod concurrency;
mod delivery;
mod fixture;
mod history;
mod ids;
mod lifecycle;
mod message;
mod model;
mod pages;
mod recorder;
mod removal;
mod retention;
mod times;

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

use self::fixture::Fixture;
use super::Engine;

/// A name, which is a sentence, and what it stands for.
type Case<E> = (&'static str, fn(Fixture<E>) -> Running);

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Functions as cases, under their own names.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        /// The cases of this file.
        pub(super) fn cases<E: crate::Engine>() -> Vec<super::Case<E>> {
            vec![$((stringify!($case), |fixture| Box::pin($case(fixture)))),+]
        }
    };
}
use cases;

/// Runs all cases, each with a new engine that holds nothing yet and has room for 10,000 publications,
/// 16 MiB of them, and 100 channels. Call it on a runtime with several threads whose time is not paused.
///
/// # Panics
/// When a case fails; the message has the names of all that did, and what was expected.
pub async fn run<E: Engine>(make: impl AsyncFn() -> E) {
    let flavor = Handle::current().runtime_flavor();
    assert!(flavor == RuntimeFlavor::MultiThread, "the cases need a runtime with several threads");
    let (mut failed, mut epochs, cases) = (Vec::new(), HashSet::new(), every_case::<E>());
    for (name, case) in &cases {
        let fixture = Fixture::start(make().await);
        let mut wrong = tokio::spawn(complete(fixture.clone(), *case)).await.err().map(message);
        if let Some(epoch) = fixture.epochs().into_iter().find(|epoch| !epochs.insert(*epoch)) {
            wrong.get_or_insert(format!("the epoch {epoch} was given by another engine before"));
        }
        failed.extend(wrong.map(|wrong| format!("\n- {}: {wrong}", name.replace('_', " "))));
    }
    assert!(failed.is_empty(), "{} of {} cases failed:{}", failed.len(), cases.len(), failed.concat());
}

fn every_case<E: Engine>() -> Vec<Case<E>> {
    let files = [
        delivery::cases,
        channels::cases,
        retention::cases,
        times::cases,
        history::cases,
        pages::cases,
        ids::cases,
        removal::cases,
        concurrency::cases,
        lifecycle::cases,
        model::cases,
    ];
    files.iter().flat_map(|cases| cases()).collect()
}

/// The case, and what must hold after each of them.
async fn complete<E: Engine>(fixture: Fixture<E>, case: fn(Fixture<E>) -> Running) {
    case(fixture.clone()).await;
    fixture.close().await;
    fixture.sink.check();
}

fn message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
