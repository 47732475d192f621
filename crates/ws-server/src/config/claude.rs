//! `[claude]`: how Claude is asked, and how much.

use std::path::PathBuf;
use std::time::Duration;

use ws_claude::ClientOption;
use ws_claude::upstream::{Auth, BaseUrl};
use ws_proto::action::ThinkingMode;

use super::key::section;
use super::value::{
    BaseUrls, Choice, DAY, GIB, KIB, MINUTE, MS, Options, Secret, Texts, bytes, count, lines, text, time, words,
};

impl Choice for Auth {
    const ALL: &'static [(&'static str, Self)] = &[("x-api-key", Self::XApiKey), ("bearer", Self::Bearer)];
}

impl Choice for ThinkingMode {
    const ALL: &'static [(&'static str, Self)] = &[("omitted", Self::Omitted), ("summarized", Self::Summarized)];
}

section! {
    /// How Claude is asked, and how much. Without a key it is off.
    pub struct Claude {
        /// The key of Anthropic's API. Only as a variable, never in the file; white space around it is dropped.
        api_key: Option<Secret> = "", text(8192), secret: true, variable: Some("ANTHROPIC_API_KEY");
        /// A file with the key, in place of the variable. White space around it is dropped.
        api_key_file: Option<PathBuf> = "", ();
        /// Where the API is: Anthropic's, a cloud's, or a gateway that speaks the same. It may have a path; `/` and `/v1`
        /// at its end are dropped. A name and password in it are secret.
        base_url: BaseUrl = "https://api.anthropic.com", BaseUrls, variable: Some("ANTHROPIC_BASE_URL");
        /// How the key is sent. `x-api-key`: in a header of that name. `bearer`: as `Authorization: Bearer`.
        auth: Auth = "x-api-key", words();
        /// The model that is asked where a client does not choose one.
        model: String = "claude-sonnet-5-5", text(128);
        /// Models that a client may choose, where `client_options` lets it. An empty list: `model` alone.
        models_allowed: Vec<String> = "", Texts;
        /// Tokens of one answer, the model's thinking included.
        max_tokens: u32 = "16_000", count(1, 10_000_000);
        /// How hard the model tries, in the words of the API. None: the model's own measure.
        effort: Option<String> = "", text(32);
        /// What streams of the model's thinking. `omitted`: that it began. `summarized`: a summary of it.
        thinking: ThinkingMode = "omitted", words();
        /// The system prompt. None: there is none.
        system: Option<String> = "", lines(65_536);
        /// What clients may set in `ask_claude`: `system`, `model`, `max_tokens`, `effort`, `thinking`. Everything that they
        /// set is paid for with this server's key.
        client_options: Vec<ClientOption> = "", Options;
        /// Bytes of the texts that the `context` of a request adds; runs that do not fit are left out, the oldest first.
        context_bytes_max: usize = "256KiB", bytes(KIB, GIB);
        /// Open runs; the next one gets `overloaded`.
        runs_max: usize = "100", count(1, 100_000);
        /// Open runs of one user, or of one anonymous connection.
        runs_per_user_max: usize = "4", count(1, 100_000);
        /// Open runs in one channel.
        runs_per_channel_max: usize = "4", count(1, 100_000);
        /// Time of a whole run, after which it is `failed`.
        run_timeout: Duration = "10m", time(MS, DAY);
        /// Time until the first token. Its thinking is one, pings are not.
        first_token_timeout: Duration = "5m", time(MS, DAY);
        /// Time without a byte after the first token. Pings are bytes.
        idle_timeout: Duration = "90s", time(MS, DAY);
        /// Times that a request is sent again when it failed before the first token.
        retries_max: u32 = "2", count(1, 100).zero("never");
        /// Whether the API is asked to cache what many requests begin with. Off for endpoints that refuse the field.
        cache: bool = "true", ();
        /// Time between two publications of one answer: what comes meanwhile is joined. The first text goes out at once.
        delta_interval: Duration = "40ms", time(MS, MINUTE).zero("nothing is joined");
        /// Publications kept of the stream of one run.
        stream_size_max: usize = "20_000", count(1, 1_000_000);
        /// Time that a stream is kept after its run has ended.
        stream_ttl: Duration = "10m", time(MS, 366 * DAY);
    }
}
