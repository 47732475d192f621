//! `ws-server token`: makes a token for development, with the claims of the command line. In production, your own
//! backend makes them.

use clap::Args;
use serde_json::{Value, json};
use ws_auth::{Key, mint};
use ws_core::{Authenticator, Patterns};
use ws_proto::ChannelName;
use ws_proto::action::ActionName;

use crate::auth;
use crate::config::{Config, duration, duration_meant};

/// The claims of the token.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TokenArgs {
    /// The user that it names
    #[arg(long, value_name = "NAME")]
    pub user: String,

    /// How long it is valid, such as 15m or 7d; 0s: it never expires
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub ttl: String,

    /// What it grants, such as subscribe:chat:* or action:broadcast; RIGHT is subscribe, publish, presence, history or
    /// action; may be given several times
    #[arg(long, value_name = "RIGHT:PATTERN")]
    pub grant: Vec<String>,

    /// A channel that the server subscribes the connection to; may be given several times
    #[arg(long, value_name = "CHANNEL")]
    pub join: Vec<String>,

    /// Make it a subscription token, for this channel alone
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,

    /// What others see of the user in presence
    #[arg(long, value_name = "JSON")]
    pub info: Option<String>,
}

/// The rights that can be granted, with their claims.
const RIGHTS: [(&str, &str); 5] = [
    ("subscribe", "subscribe"),
    ("publish", "publish"),
    ("presence", "presence"),
    ("history", "history"),
    ("action", "actions"),
];

/// The actions that a token can grant: those outside of channels that have an access mode.
const GRANTED: [ActionName; 2] = [ActionName::Broadcast, ActionName::GetConnections];

/// The token, signed with the first secret of the configuration.
///
/// # Errors
/// A sentence: what is wrong with the arguments or the token, or that there is no secret to sign with.
pub fn make(args: &TokenArgs, config: &Config, unix_s: u64) -> Result<String, String> {
    let mut claims = claims(args, unix_s)?;
    let audience = config.auth.audience.iter().filter(|audience| *audience != auth::ANY);
    audience.for_each(|audience| claims["aud"] = json!(audience));
    config.auth.issuer.iter().for_each(|issuer| claims["iss"] = json!(issuer));
    let keys = auth::keys(config).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<String>())?;
    let secret = keys.iter().find(|key: &&Key| key.algorithm().is_symmetric());
    let secret = secret
        .ok_or("there is no secret to sign with; set one in [[auth.keys]], or in WS_SERVER__AUTH__KEYS__0__SECRET")?;
    let token = mint(secret, &claims).map_err(|error| error.to_string())?;
    // Whatever the arguments are, the result is a token that the server accepts.
    let verifier = auth::verifier(config, keys).ok_or("there are no keys")?;
    verifier.check(&token, unix_s.saturating_mul(1000)).map_err(|error| error.to_string())?;
    Ok(token)
}

fn claims(args: &TokenArgs, unix_s: u64) -> Result<Value, String> {
    let mut claims = json!({"sub": args.user, "iat": unix_s});
    let ttl = duration(&args.ttl).ok_or_else(|| {
        let meant = duration_meant(&args.ttl).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        format!("--ttl {:?}: a duration such as 15m, 1h or 7d{meant}", args.ttl)
    })?;
    if !ttl.is_zero() {
        claims["exp"] = json!(unix_s.saturating_add(ttl.as_secs().max(1)));
    }
    for grant in &args.grant {
        let (right, pattern) = grant.split_once(':').unwrap_or((grant, ""));
        let claim = RIGHTS.iter().find(|(known, _)| *known == right).map(|(_, claim)| *claim);
        let claim = claim.filter(|_| !pattern.is_empty()).ok_or_else(|| {
            let known = RIGHTS.map(|(right, _)| right).join(", ");
            format!("--grant {grant:?}: RIGHT:PATTERN, such as subscribe:chat:*; the rights are {known}")
        })?;
        check_pattern(claim, pattern).map_err(|why| format!("--grant {grant:?}: it can never match: {why}"))?;
        push(&mut claims, claim, pattern);
    }
    for channel in &args.join {
        ChannelName::parse(channel).map_err(|error| format!("--join: {}", error.message))?;
        push(&mut claims, "channels", channel);
    }
    if let Some(channel) = &args.channel {
        ChannelName::parse(channel).map_err(|error| format!("--channel: {}", error.message))?;
        claims["channel"] = json!(channel);
    }
    if let Some(info) = &args.info {
        claims["info"] = serde_json::from_str(info).map_err(|error| format!("--info: not JSON: {error}"))?;
    }
    Ok(claims)
}

/// Refuses a pattern that can never match.
fn check_pattern(claim: &str, pattern: &str) -> Result<(), String> {
    if claim == "actions" {
        let patterns: Patterns = [pattern].into_iter().collect();
        let known = GRANTED.map(ActionName::as_str);
        let covers = known.iter().any(|action| patterns.cover(action));
        return if covers { Ok(()) } else { Err(format!("the actions are {}", known.join(", "))) };
    }
    // Any name with this prefix must be possible.
    let name = pattern.strip_suffix('*').map_or(pattern.to_owned(), |start| format!("{start}x"));
    ChannelName::parse(&name).map(drop).map_err(|error| error.message.into_owned())
}

fn push(claims: &mut Value, claim: &str, item: &str) {
    match claims.get_mut(claim).and_then(Value::as_array_mut) {
        Some(items) => items.push(item.into()),
        None => claims[claim] = json!([item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AuthKey, Secret};

    fn args(user: &str) -> TokenArgs {
        TokenArgs {
            user: user.to_owned(),
            ttl: "1h".to_owned(),
            grant: Vec::new(),
            join: Vec::new(),
            channel: None,
            info: None,
        }
    }

    #[test]
    fn what_is_asked_for_is_in_it() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let args = TokenArgs {
            grant: list(&["subscribe:chat:*", "subscribe:news", "action:broadcast"]),
            join: list(&["a", "b"]),
            channel: Some("c".to_owned()),
            info: Some(r#"{"n":1}"#.to_owned()),
            ..args("ann")
        };
        let expect = json!({
            "sub": "ann", "iat": 1000, "exp": 4600, "subscribe": ["chat:*", "news"], "actions": ["broadcast"],
            "channels": ["a", "b"], "channel": "c", "info": {"n": 1},
        });
        assert_eq!(claims(&args, 1000), Ok(expect));
        let endless = TokenArgs { ttl: "0s".to_owned(), ..self::args("ann") };
        assert_eq!(claims(&endless, 1000), Ok(json!({"sub": "ann", "iat": 1000})));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let check = |args: TokenArgs, expect: &str| {
            let told = claims(&args, 0).expect_err("refused");
            assert!(told.starts_with(expect), "{told}");
        };
        check(TokenArgs { ttl: "soon".to_owned(), ..args("a") }, "--ttl \"soon\": a duration");
        let meant = "--ttl \"10 minutes\": a duration such as 15m, 1h or 7d; did you mean 10m?";
        check(TokenArgs { ttl: "10 minutes".to_owned(), ..args("a") }, meant);
        for wrong in ["subscribe", "subscribe:", "fly:x", ":x", ""] {
            check(TokenArgs { grant: vec![wrong.to_owned()], ..args("a") }, "--grant");
        }
        for never in
            ["subscribe:**", "publish:a b", "history:chat:*:a", "action:broadcst", "action:publish", "action:x*"]
        {
            check(
                TokenArgs { grant: vec![never.to_owned()], ..args("a") },
                &format!("--grant {never:?}: it can never match"),
            );
        }
        for some in ["subscribe:*", "publish:chat:*", "presence:a#*", "action:*", "action:get_*"] {
            assert!(claims(&TokenArgs { grant: vec![some.to_owned()], ..args("a") }, 0).is_ok(), "{some}");
        }
        check(TokenArgs { join: vec!["a b".to_owned()], ..args("a") }, "--join: channel name");
        check(TokenArgs { channel: Some(String::new()), ..args("a") }, "--channel: channel name");
        check(TokenArgs { info: Some("{".to_owned()), ..args("a") }, "--info: not JSON");
    }

    #[test]
    fn the_server_takes_what_it_makes() {
        let mut config = Config::default();
        assert!(make(&args("ann"), &config, 1000).is_err_and(|told| told.contains("no secret to sign with")));
        config.auth.keys.push(AuthKey { secret: Some(Secret::new("swordfish")), ..AuthKey::default() });
        config.auth.audience = Some("chat".to_owned());
        config.auth.issuer = Some("me".to_owned());
        let token = make(&args("ann"), &config, 1000).expect("a secret");
        let verifier = auth::verifier(&config, auth::keys(&config).expect("keys")).expect("a verifier");
        assert_eq!(verifier.check(&token, 1_000_000).map(|claims| claims.user), Ok("ann".to_owned()));
        assert!(verifier.check(&token, 9_000_000).is_ok_and(|claims| claims.has_expired(9_000_000)));
    }
}
