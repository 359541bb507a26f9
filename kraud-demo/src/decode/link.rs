//! From a frame of a link to the IPv6 packet in it.

/// The link types of tcpdump (tcpdump.org/linktypes.html) that can carry IPv6.
mod kind {
    pub(super) const NULL: i32 = 0;
    pub(super) const ETHERNET: i32 = 1;
    pub(super) const RAW_BSD: i32 = 12;
    pub(super) const RAW_OPENBSD: i32 = 14;
    pub(super) const RAW: i32 = 101;
    pub(super) const LOOP: i32 = 108;
    pub(super) const LINUX_SLL: i32 = 113;
    pub(super) const IPV6: i32 = 229;
    pub(super) const LINUX_SLL2: i32 = 276;
}

const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q and 802.1ad tags; more than two are not seen in practice, more than four are not looked at.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const MOST_TAGS: usize = 4;

/// The IPv6 packet in a frame, link padding behind it included. Nothing for other protocols and link types.
pub(super) fn ipv6(link: i32, frame: &[u8]) -> Option<&[u8]> {
    let packet = match link {
        kind::ETHERNET => behind_tags(frame.get(12..)?)?,
        kind::RAW | kind::RAW_BSD | kind::RAW_OPENBSD | kind::IPV6 => frame,
        // The address family has another number on every system, the packet itself tells.
        kind::NULL | kind::LOOP => frame.get(4..)?,
        kind::LINUX_SLL => behind_tags(frame.get(14..)?)?,
        kind::LINUX_SLL2 => {
            let kind = frame.first_chunk::<2>()?;
            (u16::from_be_bytes(*kind) == IPV6).then(|| frame.get(20..))??
        }
        _ => return None,
    };
    (packet.first()? >> 4 == 6).then_some(packet)
}

/// What follows an EtherType and any VLAN tags, if it is IPv6.
fn behind_tags(mut bytes: &[u8]) -> Option<&[u8]> {
    for _ in 0..=MOST_TAGS {
        let (kind, rest) = bytes.split_first_chunk::<2>()?;
        match u16::from_be_bytes(*kind) {
            IPV6 => return Some(rest),
            tag if TAGS.contains(&tag) => bytes = rest.get(2..)?,
            _ => return None,
        }
    }
    None
}
