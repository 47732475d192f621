//! x
mod checksum;
mod image;
mod log;
mod medium;
mod record;
mod store;
#[cfg(test)]
mod tests;
