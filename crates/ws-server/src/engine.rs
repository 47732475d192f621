//! The one place that knows which engines there are: it opens the configured one and says so in the log.

use std::error::Error;
use std::sync::Arc;

use tokio::runtime::Handle;
use ws_core::{Engine, MemoryEngine, MemoryLimits};
use ws_engine_redis::{Identity, RedisEngine, RedisOptions, TlsOptions};
use ws_engine_sqlite::{SqliteEngine, SqliteOptions};

use crate::config::{Config, EngineType, Fsync};
use crate::same_fields::same_fields;

/// Why an engine cannot be opened, in the words of that engine.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(Box<dyn Error + Send + Sync>);

impl EngineError {
    /// Wraps the error of an engine.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        EngineError(error.into())
    }
}

/// Opens the configured engine. Blocks for as long as that takes. Call it within a tokio runtime, on a thread that may
/// block.
///
/// # Errors
/// Those of the engine.
pub fn open(config: &Config) -> Result<Arc<dyn Engine>, EngineError> {
    Ok(match config.engine.r#type {
        EngineType::Memory => Arc::new(MemoryEngine::new(memory_limits(config))),
        EngineType::Sqlite => Arc::new(SqliteEngine::open(sqlite_options(config)).map_err(EngineError::new)?),
        EngineType::Redis => {
            let opened = Handle::current().block_on(RedisEngine::open(redis_options(config)));
            Arc::new(opened.map_err(EngineError::new)?)
        }
    })
}

/// Says in the log which engine it is, and what becomes of acknowledged publications.
pub(crate) fn log(config: &Config) {
    let sqlite = &config.engine.sqlite;
    let dir = sqlite.dir.display();
    match (config.engine.r#type, sqlite.fsync) {
        (EngineType::Memory, _) => tracing::info!("engine: memory; the history of channels ends with the process"),
        (EngineType::Sqlite, Fsync::Commit) => {
            tracing::info!(%dir, "engine: sqlite; acknowledged publications are on the disk")
        }
        (EngineType::Sqlite, Fsync::Interval) => {
            tracing::info!(%dir, "engine: sqlite; publications are synced to the disk at intervals")
        }
        (EngineType::Redis, _) => {
            let redis = &config.engine.redis;
            tracing::info!(
                url = %redis.url,
                prefix = redis.prefix,
                "engine: redis; servers with this Redis and this prefix are one cluster"
            )
        }
    }
}

fn memory_limits(config: &Config) -> MemoryLimits {
    same_fields!(config.engine.memory => MemoryLimits { history_bytes_max, idle_channels_max })
}

fn sqlite_options(config: &Config) -> SqliteOptions {
    let sqlite = &config.engine.sqlite;
    let fsync = match sqlite.fsync {
        Fsync::Commit => ws_engine_sqlite::Fsync::Commit,
        Fsync::Interval => ws_engine_sqlite::Fsync::Interval(sqlite.fsync_interval),
    };
    same_fields!(sqlite => SqliteOptions {
        batch_publications_max, queue_bytes_max, idle_channels_max;
        dir: sqlite.dir.clone(); fsync: fsync
    })
}

/// The options of the cluster engine.
pub(crate) fn redis_options(config: &Config) -> RedisOptions {
    let redis = &config.engine.redis;
    let files = redis.tls_cert_file.clone().zip(redis.tls_key_file.clone());
    let identity = files.map(|(cert_file, key_file)| Identity { cert_file, key_file });
    let tls = redis.url.is_tls.then(|| TlsOptions { ca_file: redis.tls_ca_file.clone(), identity });
    same_fields!(redis => RedisOptions {
        partitions, position_ttl, lease, replicas_min, replicas_timeout, command_timeout, start_timeout,
        queue_bytes_max, batch_publications_max, allow_eviction;
        locations: redis.url.locations.clone(); tls: tls; prefix: redis.prefix.clone();
        username: redis.username.clone().unwrap_or_default(); password_file: redis.password_file.clone();
        sentinel_username: redis.sentinel_username.clone().unwrap_or_default();
        sentinel_password_file: redis.sentinel_password_file.clone(); agreement: config.agreement()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_handed_over() {
        assert_eq!(memory_limits(&Config::default()).idle_channels_max, 100_000);
    }

    #[test]
    fn an_error_is_told_in_the_engine_s_words() {
        assert_eq!(EngineError::new("no room on the disk").to_string(), "no room on the disk");
    }
}
