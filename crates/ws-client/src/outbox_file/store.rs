//! Log and image together: changes are on the medium before they count.

use std::io;

use super::image::Image;
use super::log::{Log, line};
use super::medium::Medium;
use super::record::Record;

/// It is rewritten when it is so many times as long as it has to be.
const REWRITE_FACTOR: u64 = 4;

pub(super) struct Store<M> {
    log: Log<M>,
    image: Image,
    /// A file shorter than this is not rewritten.
    rewrite_bytes_min: u64,
    /// Length of the file after it was last rewritten: from there on it has grown by what is out of date.
    rewritten_bytes: u64,
}

/// How soon a change is to survive the loss of power. The end of the process it survives at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Durability {
    /// With the next change that is synced. If it is lost, an entry is repeated, or a publication delivered again: the
    /// ids see to it that nothing happens twice.
    Soon,
    /// Before it counts.
    Synced,
}

impl<M: Medium> Store<M> {
    /// Reads the medium. Also returns how many lines of it are damaged: they are skipped.
    pub(super) fn open(medium: M, rewrite_bytes_min: u64) -> io::Result<(Self, usize)> {
        let (log, lines) = Log::open(medium)?;
        let (mut image, mut damaged) = (Image::default(), lines.damaged);
        for json in &lines.lines {
            match serde_json::from_slice(json) {
                Ok(record) => image.apply(record),
                Err(_) => damaged += 1,
            }
        }
        if damaged > 0 {
            image.assume_sent();
        }
        let rewritten_bytes = lines_of(image.records())?.len() as u64;
        Ok((Store { log, image, rewrite_bytes_min, rewritten_bytes }, damaged))
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    /// Makes these changes: all of them, or if it fails, none.
    pub(super) fn change(&mut self, records: Vec<Record>, durability: Durability) -> io::Result<()> {
        let lines = lines_of(records.iter().cloned())?;
        let grown = self.log.len() + lines.len() as u64;
        let is_long = grown > self.rewrite_bytes_min.max(self.rewritten_bytes.saturating_mul(REWRITE_FACTOR));
        if is_long || self.log.is_in_doubt() {
            match self.rewrite(&records) {
                Ok(()) => return Ok(()),
                Err(error) if self.log.is_in_doubt() => return Err(error),
                // A full disk may still have room for a few lines. Not every change is to try to rewrite all.
                Err(_) => self.rewritten_bytes = grown,
            }
        }
        self.log.append(&lines, durability == Durability::Synced)?;
        records.into_iter().for_each(|record| self.image.apply(record));
        Ok(())
    }

    fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let mut image = self.image.clone();
        records.iter().cloned().for_each(|record| image.apply(record));
        let lines = lines_of(image.records())?;
        self.log.replace(&lines)?;
        (self.image, self.rewritten_bytes) = (image, lines.len() as u64);
        Ok(())
    }

    /// Syncs what is due soon.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.log.sync()
    }
}

fn lines_of(records: impl Iterator<Item = Record>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        line(&mut lines, &serde_json::to_vec(&record)?);
    }
    Ok(lines)
}
