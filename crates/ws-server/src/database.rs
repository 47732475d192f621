//! Commands on a database: list its channels, export a history, renew its epochs.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use ws_engine_sqlite::{OpenError, StoredChannel};
use ws_proto::publication::encode_history_entry;

use crate::output::ignore_broken_pipe;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database does not have the channel.
    #[error("no channel {channel:?} in the database; `ws-server inspect DIR` lists those there are")]
    NoChannel {
        /// Its name.
        channel: String,
    },
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Lists the channels of a database, one per line, and their totals.
///
/// # Errors
/// When the database cannot be read, or the output cannot be written.
pub fn inspect(dir: &Path, out: &mut impl Write) -> Result<(), DatabaseError> {
    let mut out = BufWriter::new(out);
    let mut written =
        writeln!(out, "publications        bytes          top     size  ttl        epoch             channel");
    let sums = ws_engine_sqlite::inspect(dir, |channel| {
        if written.is_ok() {
            written = line(&mut out, channel);
        }
    })?;
    ignore_broken_pipe(written)?;
    let (channels, publications, bytes) = (sums.channels, sums.publications, sums.bytes);
    let written = writeln!(
        out,
        "{channels} channels, {publications} publications of {bytes} bytes; {} bytes on the disk",
        sums.disk_bytes
    );
    Ok(ignore_broken_pipe(written.and_then(|()| out.flush()))?)
}

fn line(out: &mut impl Write, channel: &StoredChannel) -> io::Result<()> {
    let StoredChannel { name, epoch, top, publications, bytes, retention, .. } = channel;
    let ttl = if retention.ttl.is_zero() { "none".to_owned() } else { format!("{:?}", retention.ttl) };
    writeln!(out, "{publications:>12} {bytes:>12} {top:>12} {:>8}  {ttl:<9}  {epoch}  {name}", retention.size)
}

/// Writes the history of a channel after an offset, as JSON lines: each is an entry of `get_history`. Published data
/// may contain line breaks between its tokens, which become spaces; JSON strings cannot contain them.
///
/// # Errors
/// When the database cannot be read or does not have the channel, or the output cannot be written.
pub fn export(dir: &Path, channel: &str, after: u64, out: &mut impl Write) -> Result<(), DatabaseError> {
    let mut out = BufWriter::new(out);
    let (mut written, mut entry) = (Ok(()), Vec::new());
    let exported = ws_engine_sqlite::export(dir, channel, after, |publication| {
        entry.clear();
        encode_history_entry(publication.offset.unwrap_or_default(), &publication.body, &mut entry);
        entry.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        entry.push(b'\n');
        written = out.write_all(&entry);
        written.is_ok()
    })?;
    ignore_broken_pipe(written.and_then(|()| out.flush()))?;
    exported.map(drop).ok_or_else(|| DatabaseError::NoChannel { channel: channel.to_owned() })
}

/// Gives every channel of a database a new epoch.
///
/// # Errors
/// When there is no database, or it is in use or damaged.
pub fn renew_epochs(dir: &Path) -> Result<(), DatabaseError> {
    Ok(ws_engine_sqlite::renew_epochs(dir)?)
}
