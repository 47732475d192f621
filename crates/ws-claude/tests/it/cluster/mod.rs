//! Runs on several hubs over one store, in one process.

mod beginnings;
mod dead;
mod doubtful;
mod ids;
mod limits;
#[path = "../../../../ws-core/tests/it/cluster/node.rs"]
mod node;
mod outages;
#[path = "../../../../ws-core/tests/it/cluster/store.rs"]
mod store;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use ws_claude::upstream::Progress;
use ws_claude::{Claude, Provider, RunOptions};
use ws_core::{Asker, AskerKey, Hub};
use ws_proto::ErrorBody;
use ws_proto::action::{AskClaude, AskClaudeData};

use self::doubtful::Doubtful;
use self::node::Node;
use self::store::Store;
use crate::stage::{Script, history, hub, run_options};

/// One of them.
struct Server {
    node: Arc<Node>,
    engine: Arc<Doubtful>,
    hub: Hub,
    script: Arc<Script>,
    _claude: Claude,
}

/// So many, of which any may have this many runs of a user and in a channel.
struct Servers {
    store: Arc<Store>,
    all: Vec<Server>,
}

impl Servers {
    async fn start(count: usize) -> Self {
        let mut servers = Servers { store: Store::new(), all: Vec::new() };
        for _ in 0..count {
            servers.add().await;
        }
        servers
    }

    /// One more.
    async fn add(&mut self) {
        let (node, script) = (self.store.node(), Arc::<Script>::default());
        let engine = Arc::new(Doubtful::new(node.clone()));
        let (hub, provider) = (hub(engine.clone()), script.clone() as Arc<dyn Provider>);
        let options = RunOptions { runs_per_user_max: 2, runs_per_channel_max: 3, ..run_options() };
        let claude = Claude::start(hub.clone(), Some(provider), options).await.expect("it starts");
        self.all.push(Server { node, engine, hub, script, _claude: claude });
    }

    /// The places by the ids of their nodes, the lowest first.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.all.len()).collect();
        order.sort_by_key(|at| self.all[*at].hub.node());
        order
    }

    async fn history(&self, at: usize, channel: &str) -> Vec<Value> {
        history(&self.all[at].hub, channel).await
    }

    /// Lets so many answers of the store come, one after the other.
    async fn let_go(&self, answers: usize) {
        for _ in 0..answers {
            self.store.let_go();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn kill(&self, at: usize) {
        self.store.kill(&self.all[at].node);
    }

    fn set_away(&self, at: usize, is_away: bool) {
        self.store.set_away(&self.all[at].node, is_away);
    }
}

impl Server {
    async fn ask(&self, channel: &str, run_id: &str, user: &str) -> Result<AskClaudeData<'static>, ErrorBody> {
        let (channel, run_id) = (channel.to_owned().into(), Some(run_id.to_owned().into()));
        let request = AskClaude { channel, run_id, prompt: Some("Hi".into()), ..AskClaude::default() };
        let user: Arc<str> = user.into();
        self.hub.ask_claude(request, Asker { user: Some(user.clone()), key: AskerKey::User(user) }).await
    }

    /// A run that has begun, and what it is to say.
    async fn begin(&self, channel: &str, run_id: &str, user: &str) -> UnboundedSender<Progress> {
        let answer = self.script.answer();
        self.ask(channel, run_id, user).await.expect("it begins");
        answer
    }

    fn open(&self) -> usize {
        self.hub.runs().map_or(0, |runs| runs.open())
    }
}
