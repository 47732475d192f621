//! The contract of [`Engine`], as tests that any engine can run.
//!
//! Each case gets its own engine, started with a recording sink. The fixture and its sink check what holds for every call
//! in every case: an answer comes within ten seconds, the sink gets a publication before its publisher is answered, no
//! history is ahead of the sink, nothing is delivered twice or out of order, an epoch belongs to one channel of one engine.
//!
//! Not covered: what an engine does across a restart, with several nodes, and at its limits.

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

/// A case: its name, which is a sentence, and its function.
type Case<E> = (&'static str, fn(Fixture<E>) -> Running);

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Functions as cases, under their own names.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        /// The cases of this file.
        pub(super) fn cases<E: crate::engine::Engine>() -> Vec<super::Case<E>> {
            vec![$((stringify!($case), |fixture| Box::pin($case(fixture)))),+]
        }
    };
}
use cases;

/// Runs all cases, each with a new, empty engine that has room for 10,000 publications, 16 MiB of them, and 100 channels.
/// Call it on a runtime with several threads whose time is not paused.
///
/// # Panics
/// If a case fails; the message names every failed case and what was expected.
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

/// Runs the case, and checks what must hold after every case.
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
