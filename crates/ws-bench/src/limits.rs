//! Limits of this machine for one client: open files, and ports for connections to one address.

use std::fs;

use crate::failure::Failure;
use crate::target::Server;

/// Files that are open besides connections (runtime, terminal, /proc), with room to spare.
const FILES_RESERVED: u64 = 64;

/// Raises the limit of open files and spreads source addresses, so that `wanted` connections to `server` fit.
pub(crate) fn make_room(wanted: usize, server: &mut Server) -> Result<(), Failure> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    files_suffice(wanted, limit)?;
    let ports = ports(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default());
    let addresses = addresses(wanted, ports);
    if addresses > 1 && !server.spread(addresses) {
        return Err(Failure::Ports { wanted, ports });
    }
    Ok(())
}

fn files_suffice(wanted: usize, limit: u64) -> Result<(), Failure> {
    let needed = wanted as u64 + FILES_RESERVED;
    if needed > limit {
        let fit = limit.saturating_sub(FILES_RESERVED);
        return Err(Failure::Files { wanted, needed, limit, fit });
    }
    Ok(())
}

/// Number of ephemeral ports, from the text of `ip_local_port_range`; the default of Linux if it cannot be read.
fn ports(range: &str) -> usize {
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<usize>().ok());
    match (ends.next(), ends.next()) {
        (Some(low), Some(high)) if high >= low => high - low + 1,
        _ => 28_232,
    }
}

/// Number of source addresses that `wanted` connections need. A tenth of the ports stays free: some are in use, and
/// finding the last free ones is slow.
fn addresses(wanted: usize, ports: usize) -> usize {
    wanted.div_ceil((ports - ports / 10).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_say_how_many_connections_fit() {
        assert!(files_suffice(936, 1000).is_ok());
        let message = files_suffice(937, 1000).expect_err("too many").to_string();
        assert!(message.contains("936 connections fit"), "{message}");
    }

    #[test]
    fn one_address_serves_as_many_connections_as_it_has_ports() {
        assert_eq!(ports("32768\t60999\n"), 28_232);
        assert_eq!(ports(""), 28_232);
        assert_eq!(ports("1000 1099"), 100);
        assert_eq!(addresses(90, 100), 1);
        assert_eq!(addresses(91, 100), 2);
    }
}
