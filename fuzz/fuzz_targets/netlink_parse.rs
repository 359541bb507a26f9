//! Whatever bytes a kernel might send: nothing panics, and what was understood is sent and understood again.
#![no_main]

use std::io;

use kraud_netlink::wire::messages;
use kraud_netlink::{
    AddressInfo, Connection, LinkChange, LinkInfo, LinkKind, NeighbourInfo, Op, Resolve, Result,
    RouteInfo, RuleInfo, Transport, WireguardReader,
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

/// What is understood of a message, and every attribute that is not, comes back when it is sent again: attributes in the
/// same order, as often, and byte for byte. Of an attribute that is understood and given twice the last one counts, as in
/// the kernel.
fn read(kind: u16, body: &[u8], wireguard: &mut WireguardReader) {
    match kind {
        16 => {
            if let Ok(info) = LinkInfo::parse(body) {
                link(info);
            }
        }
        20 => {
            if let Ok(info) = AddressInfo::parse(body, &()) {
                let op = Op::AddAddress(info.address.clone());
                if let Some(body) = again(&op) {
                    let twice = AddressInfo::parse(&body, &()).unwrap();
                    assert_eq!(twice.address, info.address);
                }
                let _ = op.commands(&Default::default());
            }
        }
        24 => {
            if let Ok(mut info) = RouteInfo::parse(body, &()) {
                // Host bits are cleared when they are sent.
                info.route.dst = info.route.dst.trunc();
                info.route.from = info.route.from.map(|from| from.trunc());
                let op = Op::AddRoute(info.route.clone());
                if let Some(body) = again(&op) {
                    let twice = RouteInfo::parse(&body, &()).unwrap();
                    assert_eq!(twice.route, info.route);
                }
                let _ = op.commands(&Default::default());
            }
        }
        28 => {
            if let Ok(Some(info)) = NeighbourInfo::parse(body, &()) {
                let op = Op::AddNeighbour(info.neighbour.clone());
                if let Some(body) = again(&op) {
                    let twice = NeighbourInfo::parse(&body, &()).unwrap().unwrap();
                    assert_eq!(twice.neighbour, info.neighbour);
                }
                let _ = op.commands(&Default::default());
            }
        }
        32 => {
            if let Ok(Some(mut info)) = RuleInfo::parse(body) {
                info.rule.from = info.rule.from.map(|net| net.trunc());
                info.rule.to = info.rule.to.map(|net| net.trunc());
                let op = Op::AddRule(info.rule.clone());
                if let Some(body) = again(&op) {
                    let twice = RuleInfo::parse(&body).unwrap().unwrap();
                    assert_eq!(twice.rule, info.rule);
                }
                let _ = op.commands(&Default::default());
            }
        }
        _ => {
            let _ = wireguard.read(body);
        }
    }
}

/// A link comes back as it was made, and its options as they were changed.
fn link(mut info: LinkInfo) {
    info.name_links(&());
    let wanted = info.link;
    let op = Op::AddLink(wanted.clone());
    let _ = op.commands(&Default::default());
    if let Some(body) = again(&op) {
        let mut twice = LinkInfo::parse(&body).unwrap();
        twice.name_links(&());
        let mut found = twice.link;
        // These follow in a message of their own, as does `up` after the last one.
        found.alias.clone_from(&wanted.alias);
        found.addr_gen_mode = wanted.addr_gen_mode;
        if found.addr_gen_mode.is_some() {
            found.up = wanted.up;
        }
        // A kernel says where the other end of a pair is, and names a tunnel's underlay, in other words than it is told.
        if matches!(wanted.kind, LinkKind::Veth(_)) {
            found.kind.clone_from(&wanted.kind);
        }
        if matches!(wanted.kind, LinkKind::Ip6Tnl(_)) {
            found.parent.clone_from(&wanted.parent);
        }
        assert_eq!(found, wanted);
    }
    let change = LinkChange::new("if7").kind(wanted.kind.clone());
    if let Some(body) = again(&Op::SetLink(change)) {
        let mut found = LinkInfo::parse(&body).unwrap().link.kind;
        match (&mut found, &wanted.kind) {
            // What cannot be changed is not sent.
            (LinkKind::Vlan(found), LinkKind::Vlan(wanted)) => {
                (found.id, found.protocol) = (wanted.id, wanted.protocol);
            }
            (found @ LinkKind::Veth(_), wanted @ LinkKind::Veth(_)) => found.clone_from(wanted),
            _ => {}
        }
        // Hardware has no options; its kind is the empty word.
        if !matches!(wanted.kind, LinkKind::Physical) {
            assert_eq!(found, wanted.kind);
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
