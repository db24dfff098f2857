//! Peers' claims about client and site: PROXY protocol headers, forwarding headers, targets.
#![no_main]

use std::net::SocketAddr;

use gateway::client_address::{is_trusted, resolve};
use gateway::config::ForwardedHeader;
use gateway::limits::{PATH_READINGS, PROXY_V2_BYTES};
use gateway::{proxy_protocol, router};
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // the result for a header does not depend on the bytes after it, and needs no more bytes than its limit
    match proxy_protocol::parse(data) {
        Ok(Some(header)) => {
            assert!(header.length <= data.len().min(PROXY_V2_BYTES));
            assert_eq!(proxy_protocol::parse(&data[..header.length]), Ok(Some(header)));
            assert_eq!(proxy_protocol::parse(&data[..header.length - 1]), Ok(None));
        }
        Ok(None) => assert!(data.len() < PROXY_V2_BYTES),
        Err(_) => {}
    }

    // an untrusted peer is itself the client; behind a trusted one, the client is the first address that is not trusted
    let trusted: Vec<IpNet> = ["10.0.0.0/8".parse(), "::1/128".parse()].into_iter().flatten().collect();
    let stranger = SocketAddr::from(([192, 0, 2, 1], 1));
    let proxy = SocketAddr::from(([10, 0, 0, 1], 1));
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let fields = || data.split(|b| *b == b'\n').flat_map(|v| [(&b"x-forwarded-for"[..], v), (&b"forwarded"[..], v)]);
        assert_eq!(resolve(stranger, &trusted, header, fields()), stranger);
        let found = resolve(proxy, &trusted, header, fields());
        let named = fields().any(|(_, value)| !value.is_empty());
        assert!(named || found == proxy);
        let _ = is_trusted(&trusted, found.ip());
    }

    // the path that selects the site has no dot segments and is not among the other readings, whose number has a limit
    let paths = router::readings(data);
    if paths.first.first() == Some(&b'/') {
        assert!(!paths.first.split(|b| *b == b'/').any(|segment| segment == b"." || segment == b".."));
    }
    assert!(paths.others.len() <= PATH_READINGS);
    assert!(!paths.complete || paths.others.iter().all(|other| *other != *paths.first));
    let _ = router::host_name(data);
});
