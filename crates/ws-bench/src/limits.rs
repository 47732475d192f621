//! What this machine lets one client have: open files, and ports towards one address.

use std::fs;

use crate::failure::Failure;
use crate::target::Server;

/// Files that are open beside the connections (runtime, terminal, /proc), with room to spare.
const FILES_BESIDE: u64 = 64;

/// Makes room for `wanted` connections to `server`, or says how many fit.
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
    let needed = wanted as u64 + FILES_BESIDE;
    if needed > limit {
        let fit = limit.saturating_sub(FILES_BESIDE);
        return Err(Failure::Files { wanted, needed, limit, fit });
    }
    Ok(())
}

/// Size of the ephemeral range, from the text of `ip_local_port_range`; Linux's default if unread.
fn ports(range: &str) -> usize {
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<usize>().ok());
    match (ends.next(), ends.next()) {
        (Some(low), Some(high)) if high >= low => high - low + 1,
        _ => 28_232,
    }
}

/// Source addresses that `wanted` connections need. A tenth of the ports stays free: some are in
/// use, and the search for the last free ones is slow.
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
