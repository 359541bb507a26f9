//! Whatever bytes a kernel might send: nothing panics, and what was understood is sent and understood again.
#![no_main]

use std::io;

use kraud_netlink::wire::messages;
use kraud_netlink::{
    AddressInfo, Connection, LinkInfo, NeighbourInfo, Op, Resolve, Result, RouteInfo, RuleInfo,
    Transport, WireguardReader,
};
use libfuzzer_sys::fuzz_target;

/// Links are called `if` and their index throughout.
struct ByIndex;

impl Resolve for ByIndex {
    fn link(&mut self, name: &str) -> Result<u32> {
        Ok(name
            .strip_prefix("if")
            .and_then(|index| index.parse().ok())
            .unwrap_or(1))
    }

    fn netns(&mut self, _name: &str) -> Result<i32> {
        Ok(3)
    }

    fn netns_id(&mut self, _name: &str) -> Result<i32> {
        Ok(0)
    }

    fn link_in(&mut self, _netns: &str, name: &str) -> Result<u32> {
        self.link(name)
    }

    fn family(&mut self, _name: &'static str) -> Result<u16> {
        Ok(31)
    }
}

/// The operation's message as a kernel would read it: its body, unless a value in it cannot be sent.
fn again(op: &Op) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    op.encode(&mut ByIndex, &mut bytes).ok()?;
    let body = messages(&bytes).next()?.ok()?.1.to_vec();
    Some(body)
}

fn read(kind: u16, body: &[u8], wireguard: &mut WireguardReader) {
    match kind {
        16 => {
            if let Ok(mut info) = LinkInfo::parse(body) {
                info.name_links(&());
                let _ = again(&Op::AddLink(info.link.clone()));
                let _ = Op::AddLink(info.link).commands(&Default::default());
            }
        }
        20 => {
            if let Ok(info) = AddressInfo::parse(body, &()) {
                if let Some(body) = again(&Op::AddAddress(info.address.clone())) {
                    let twice = AddressInfo::parse(&body, &()).unwrap();
                    assert_eq!(twice.address, info.address);
                }
            }
        }
        24 => {
            if let Ok(mut info) = RouteInfo::parse(body, &()) {
                // Only the kernel's side says when a route goes away in the way that is read.
                info.route.expires = None;
                info.route.dst = info.route.dst.trunc();
                if let Some(body) = again(&Op::AddRoute(info.route.clone())) {
                    let twice = RouteInfo::parse(&body, &()).unwrap();
                    assert_eq!(twice.route, info.route);
                }
            }
        }
        28 => {
            if let Ok(Some(info)) = NeighbourInfo::parse(body, &()) {
                if let Some(body) = again(&Op::AddNeighbour(info.neighbour.clone())) {
                    let twice = NeighbourInfo::parse(&body, &()).unwrap().unwrap();
                    assert_eq!(twice.neighbour, info.neighbour);
                }
            }
        }
        32 => {
            if let Ok(Some(info)) = RuleInfo::parse(body) {
                let _ = again(&Op::AddRule(info.rule.clone()));
                let _ = Op::AddRule(info.rule).commands(&Default::default());
            }
        }
        _ => {
            let _ = wireguard.read(body);
        }
    }
}

/// A kernel that answers every request with the same bytes, the request's sequence number put in.
struct Answer(Vec<u8>, u32);

impl Transport for Answer {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.1 = self.1.wrapping_add(1);
        for at in [8, 9, 10, 11] {
            if let (Some(byte), Some(sent)) = (self.0.get_mut(at), datagram.get(at)) {
                *byte = *sent;
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.1 -= 1;
        let len = self.0.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        Ok(self.0.len())
    }

    fn port(&self) -> u32 {
        0
    }
}

fuzz_target!(|data: &[u8]| {
    let mut wireguard = WireguardReader::default();
    for message in messages(data) {
        let Ok((header, body)) = message else { break };
        read(header.kind, body, &mut wireguard);
    }
    let _ = wireguard.finish();

    let mut connection = Connection::new(Box::new(Answer(data.to_vec(), 0)));
    let mut request = vec![0; 32];
    request[..4].copy_from_slice(&32_u32.to_ne_bytes());
    request[4] = 16;
    let _ = connection.request(&mut request, &"fuzz");
});
