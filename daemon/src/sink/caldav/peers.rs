//! With whom a connection is made: an address that others chose must not lead into our own house.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Which addresses are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// All: the operator named the host.
    Any,
    /// Those of the public internet.
    Public,
}

impl Peers {
    /// Connects to a host; `None` where all its addresses are refused. What is looked at is what
    /// is connected to: a name that is asked twice may have two answers.
    pub(super) async fn dial(self, host: &str, port: u16) -> io::Result<Option<TcpStream>> {
        let found = tokio::net::lookup_host((host, port)).await?;
        let (mut refused, mut allowed): (bool, Vec<SocketAddr>) = (false, Vec::new());
        for address in found {
            match self == Peers::Any || is_public(address.ip()) {
                true if allowed.len() < ADDRESSES_MAX => allowed.push(address),
                true => {}
                false => refused = true,
            }
        }
        if allowed.is_empty() && refused {
            return Ok(None);
        }
        TcpStream::connect(allowed.as_slice()).await.map(Some)
    }
}

/// Whether the address is one of the public internet (RFC 6890 and its registries).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224 // multicast, reserved, broadcast
        || (a == 100 && (64..128).contains(&b)) // between a provider and its customers
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99) // relays of 6to4
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // NAT64 leads to the address in it.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && inner(g, h),
        // So does 6to4.
        (0x2002, _) => inner(b, c),
        // Special purposes, Teredo among them.
        (0x2001, 0..0x200) => false,
        // Documentation.
        (0x2001, 0xdb8) | (0x3fff, 0..0x1000) => false,
        // Everything that is global stands here: not loopback, unspecified, mapped, local,
        // multicast.
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_own_house_are_not_public_however_they_are_written() {
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.251",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn what_is_not_public_is_not_even_connected_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"] {
            let dialled = Peers::Public.dial(host, port).await;
            // Not every resolver reads the odd ones.
            assert!(!matches!(dialled, Ok(Some(_))), "{host}: {dialled:?}");
            assert!(listener.accept().is_err(), "{host}");
        }
        assert!(Peers::Any.dial("127.0.0.1", port).await.unwrap().is_some());
        assert!(listener.accept().is_ok());
    }
}
