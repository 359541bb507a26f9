use std::net::SocketAddr;

use ipnet::IpNet;
use kraud_netlink::{Op, Peer, PresharedKey, PrivateKey, PublicKey, Wireguard, WireguardReader};

use super::{Expect, Same, check, hex, split, vectors};

const VECTORS: &str = include_str!("../vectors/wg_set.json");

/// 32 bytes that count up.
fn bytes(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

fn device() -> Wireguard {
    Wireguard::new("wg0")
}

fn peer() -> Peer {
    Peer::update(PublicKey(bytes(40)))
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn full() -> Peer {
    let peer = Peer {
        replace_allowed_ips: true,
        ..peer()
    };
    peer.endpoint(endpoint("192.0.2.7:51820"))
        .preshared_key(PresharedKey::new(bytes(101)))
        .keepalive(25)
        .allow(net("10.0.0.2/32"))
        .allow(net("fd00::2/128"))
}

#[test]
fn settings_and_peers() {
    let set = |wireguard: Wireguard| -> Expect { Same(Op::SetWireguard(wireguard)) };
    let key = "KCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkc=";
    let command = |words: &str| -> &'static str { format!("wg set wg0 peer {key} {words}").leak() };
    let replace = |peer: Peer| {
        set(device().peer(Peer {
            replace_allowed_ips: true,
            ..peer
        }))
    };
    let empty = device()
        .private_key(PrivateKey::new([0; 32]))
        .listen_port(0)
        .fwmark(0)
        .replace_peers();
    check(
        VECTORS,
        vec![
            (
                "wg set wg0 listen-port 51820",
                set(device().listen_port(51820)),
            ),
            (
                "wg set wg0 private-key /dev/null",
                set(device().private_key(PrivateKey::new([0; 32]))),
            ),
            (
                "wg set wg0 listen-port 51820 private-key priv fwmark 51820",
                set(device()
                    .private_key(PrivateKey::new(bytes(1)))
                    .listen_port(51820)
                    .fwmark(51820)),
            ),
            (
                command("preshared-key psk"),
                set(device().peer(peer().preshared_key(PresharedKey::new(bytes(101))))),
            ),
            (
                command("persistent-keepalive off"),
                set(device().peer(peer().keepalive(0))),
            ),
            (
                command("endpoint [2001:db8::7]:51820"),
                set(device().peer(peer().endpoint(endpoint("[2001:db8::7]:51820")))),
            ),
            (
                command("allowed-ips 10.0.0.1/32"),
                replace(peer().allow(net("10.0.0.1/32"))),
            ),
            (
                command("allowed-ips 0.0.0.0/0,::/0"),
                replace(peer().allow(net("0.0.0.0/0")).allow(net("::/0"))),
            ),
            (
                command(
                    "endpoint 192.0.2.7:51820 preshared-key psk persistent-keepalive 25 allowed-ips \
                 10.0.0.2/32,fd00::2/128",
                ),
                set(device().peer(full())),
            ),
            (
                "wg setconf wg0 a.conf",
                set(device()
                    .private_key(PrivateKey::new(bytes(1)))
                    .listen_port(51820)
                    .fwmark(16)
                    .replace_peers()
                    .peer(full())),
            ),
            ("wg setconf wg0 e.conf", set(empty)),
            (
                "wg setconf wg0 a500.conf",
                Expect::Differs("split at 4096 bytes; see below"),
            ),
        ],
    );
}

/// `wg setconf wg0 a500.conf`: two peers with 500 prefixes each, in messages of at most a page.
#[test]
fn peers_are_split_where_wg_splits_them() {
    let vector = vectors(VECTORS)
        .into_iter()
        .find(|vector| vector.command == "wg setconf wg0 a500.conf")
        .unwrap();
    assert_eq!(vector.changes.len(), 8);
    let mut reader = WireguardReader::default();
    for message in &vector.changes {
        reader.read(&message[16..]).unwrap();
    }
    let found = reader.finish();
    assert_eq!(
        found
            .peers
            .iter()
            .map(|peer| peer.allowed_ips.len())
            .collect::<Vec<_>>(),
        [500, 500]
    );

    let wanted = device()
        .private_key(PrivateKey::new([0; 32]))
        .listen_port(found.listen_port)
        .fwmark(found.fwmark)
        .replace_peers()
        .peers(found.peers.iter().map(|peer| {
            Peer {
                endpoint: peer.endpoint,
                ..Peer::new(peer.public_key)
            }
            .allow_all(peer.allowed_ips.iter().copied())
        }));
    let mut ours = Vec::new();
    wanted.encode(31, 4096, &mut ours).unwrap();
    assert_eq!(hex(&split(&ours)), hex(&vector.changes));
}
