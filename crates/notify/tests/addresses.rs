//! Which URLs and addresses are let through.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use countersign_notify::address::is_public;
use countersign_notify::{Allowlist, Target};

/// URLs that must be refused, one a line.
const HOSTILE: &str = include_str!("hostile_urls.txt");

#[test]
fn every_hostile_url_is_refused() {
    let allowlist = Allowlist::parse(["127.0.0.1:9000", "hooks.internal:8080"]).unwrap();
    let urls: Vec<&str> = HOSTILE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .collect();
    assert!(urls.len() >= 100, "{}", urls.len());
    for url in urls {
        let url = url.replace("\\t", "\t").replace("\\n", "\n").replace("\\0", "\0");
        let parsed = Target::parse(&url, &allowlist);
        assert!(parsed.is_err(), "{url:?} became {parsed:?}");
    }
    assert!(Target::parse(&format!("https://example.com/{}", "x".repeat(3000)), &allowlist).is_err());
}

#[test]
fn ordinary_urls_are_let_through_in_their_normal_form() {
    for (url, normal) in [
        (
            "https://hooks.example.com/countersign",
            "https://hooks.example.com/countersign",
        ),
        ("https://hooks.example.com:443/a?b=c", "https://hooks.example.com/a?b=c"),
        ("https://hooks.example.com:8443/", "https://hooks.example.com:8443/"),
        ("HTTPS://Hooks.Example.COM", "https://hooks.example.com/"),
        ("https://bücher.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://hooks.example.com./", "https://hooks.example.com./"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        (
            "https://my_hooks.example.com/%2e%2e/x",
            "https://my_hooks.example.com/x",
        ),
    ] {
        let target = Target::parse(url, &Allowlist::default())
            .map_err(|error| format!("{url}: {error}"))
            .unwrap();
        assert_eq!((target.as_str(), target.is_lifted()), (normal, false));
    }
}

#[test]
fn the_allowlist_lifts_exactly_what_it_names() {
    let allowlist = Allowlist::parse(["127.0.0.1:9000", "[::1]:9001", "Hooks.Internal:8080", "0x7f.1:9002"]).unwrap();
    for url in [
        "http://127.0.0.1:9000/x",
        "https://127.0.0.1:9000/x",
        "http://2130706433:9000/x",
        "http://[::1]:9001/",
        "http://hooks.internal:8080/",
        "http://127.0.0.1:9002/",
    ] {
        assert!(
            Target::parse(url, &allowlist).is_ok_and(|target| target.is_lifted()),
            "{url}"
        );
    }
    for url in [
        "http://127.0.0.1:9003/",
        "http://127.0.0.1/",
        "http://127.0.0.2:9000/",
        "http://localhost:9000/",
        "http://[::ffff:127.0.0.1]:9000/",
        "http://a.hooks.internal:8080/",
        "http://user@127.0.0.1:9000/",
        "http://127.0.0.1:9000/#x",
        "ftp://127.0.0.1:9000/",
    ] {
        assert!(Target::parse(url, &allowlist).is_err(), "{url}");
    }
    let targets: Vec<String> = allowlist.targets().collect();
    assert_eq!(
        targets,
        ["127.0.0.1:9000", "127.0.0.1:9002", "[::1]:9001", "hooks.internal:8080"]
    );
}

#[test]
fn a_target_of_the_allowlist_is_one_host_and_one_port() {
    for text in [
        "",
        "127.0.0.1",
        ":9000",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        "*:9000",
        "*.internal:80",
        "a/b:80",
        "a@b:80",
        "http://a:80",
        "a b:80",
        "10.0.0.0/8:80",
        "::1:9000",
    ] {
        assert!(Allowlist::parse([text]).is_err(), "{text}");
    }
}

#[test]
fn only_addresses_of_the_public_internet_are_public() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "169.254.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.175.48.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "168.63.129.16",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "2620:4f:8000::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "4000::1",
        "e000::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2400:cb00::1",
        "2001:4860:4860::8888",
        "2001:200::1",
        "2003::1",
        "3ffe::1",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}
