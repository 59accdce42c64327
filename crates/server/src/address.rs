//! Where a request comes from: the connection's peer, or what a trusted proxy says of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{Extensions, HeaderMap};

/// The other end of a connection; [`crate::serve`] puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The connection is TLS.
    pub tls: bool,
}

/// A network of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a network such as `10.0.0.0/8`")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError(text.chars().take(64).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(refused)?,
            None => most,
        };
        Ok(Network { address, bits })
    }
}

impl Network {
    /// Whether the address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32, self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether the first `bits` of two addresses of `width` bits agree.
fn same(a: u128, b: u128, width: u8, bits: u8) -> bool {
    let shift = u32::from(width - bits);
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

/// Who really asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub address: IpAddr,
    pub https: bool,
}

/// The client of a request. `X-Forwarded-For` is read from its end, as far as trusted proxies wrote it.
pub(crate) fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[Network]) -> Client {
    let peer = extensions.get::<Peer>();
    let mut client = Client {
        address: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
            peer.address.ip().to_canonical()
        }),
        https: peer.is_some_and(|peer| peer.tls),
    };
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if trusted.is_empty() || !is_trusted(client.address) {
        return client;
    }
    if let Some(proto) = headers.get("x-forwarded-proto") {
        client.https = proto.as_bytes().eq_ignore_ascii_case(b"https");
    }
    let lines = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client.address = address.to_canonical();
        if !is_trusted(client.address) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, forwarded: Option<&str>, trusted: &[Network]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(Peer {
            address: peer.parse().expect("an address"),
            tls: false,
        });
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = forwarded {
            headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
        }
        client(&extensions, &headers, trusted).address.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        let trusted: Vec<Network> = ["10.0.0.0/8".parse(), "fd00::/8".parse()]
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("networks");
        assert_eq!(asked("10.1.2.3:9", Some("198.51.100.7"), &[]), "10.1.2.3");
        assert_eq!(asked("10.1.2.3:9", Some("198.51.100.7"), &trusted), "198.51.100.7");
        assert_eq!(
            asked("10.1.2.3:9", Some("1.1.1.1, 198.51.100.7, 10.9.9.9"), &trusted),
            "198.51.100.7"
        );
        assert_eq!(asked("203.0.113.9:9", Some("198.51.100.7"), &trusted), "203.0.113.9");
        assert_eq!(asked("[fd00::1]:9", Some("2001:db8::7"), &trusted), "2001:db8::7");
        assert_eq!(asked("[::ffff:10.1.2.3]:9", Some("nonsense"), &trusted), "10.1.2.3");
    }

    #[test]
    fn a_network_that_is_none_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "example.com", "::/129", "10.0.0.0/"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
