//! What the DNS responder answers, byte by byte and over real sockets.

mod common;

use common::deployed;
use domain::base::Message;
use domain::base::name::Name;
use kraud_demo::dns::{EDNS_SIZE, TTL, Transport, respond};
use kraud_demo::names::Names;
use proptest::prelude::*;

const SHOP: &str = "
name: shop
networks:
  v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
services:
  db: {image: x, networks: {v: {ipv4_address: 192.168.2.2}}}
  app: {image: x, networks: {v: {ipv4_address: 192.168.2.1}}}
  redis: {image: x}
  crowd: {image: x, scale: 80, networks: [v]}
";

fn names() -> Names {
    let shop = deployed(SHOP, "a");
    Names::in_vpc(&shop.scope, [&shop])
}

/// `dig db A`, without EDNS: printed by dnspython's `make_query("db", "A", id=0x1234).to_wire()`.
const DB_A: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02db\x00\x00\x01\x00\x01";

/// A query for `name`, as `DB_A` is one.
fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = DB_A[..12].to_vec();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes
}

/// With an OPT record that announces `size` (RFC 6891).
fn with_edns(mut query: Vec<u8>, size: u16, version: u8) -> Vec<u8> {
    query[11] = 1;
    query.extend_from_slice(&[0, 0, 41]);
    query.extend_from_slice(&size.to_be_bytes());
    query.extend_from_slice(&[0, version, 0, 0, 0, 0]);
    query
}

fn ask(query: &[u8], transport: Transport) -> Message<Vec<u8>> {
    let response = respond(query, transport, &names(), "shop-app-1").expect("a response");
    Message::from_octets(response).expect("a message")
}

fn code(message: &Message<Vec<u8>>) -> String {
    message.opt_rcode().to_string()
}

fn addresses(message: &Message<Vec<u8>>) -> Vec<String> {
    let records = message.answer().expect("answers").map(|record| {
        let record = record.expect("a record");
        assert_eq!(record.ttl(), TTL);
        let any = record.into_any_record::<domain::rdata::AllRecordData<_, _>>();
        any.expect("data").data().to_string()
    });
    records.collect()
}

#[test]
fn a05_the_bytes_of_an_answer_are_those_of_the_standard() {
    let expected = b"\x12\x34\x85\x00\x00\x01\x00\x01\x00\x00\x00\x00\x02db\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\xc0\xa8\x02\x02";
    let response = respond(DB_A, Transport::Udp, &names(), "shop-app-1").unwrap();
    assert_eq!(response, expected);
}

#[test]
fn a05_aaaa_is_the_vpc_address_and_a_the_shared_overlays() {
    let names = names();
    let db = names.ask("shop-app-1", "db").unwrap();
    for name in ["db", "DB", "db.shop", "shop-db-1"] {
        let v6 = ask(&query(name, 28), Transport::Udp);
        assert_eq!(addresses(&v6), [db.v6[0].to_string()], "{name}");
        let v4 = ask(&query(name, 1), Transport::Udp);
        assert_eq!(addresses(&v4), ["192.168.2.2"], "{name}");
        assert!(v4.header().aa() && v4.header().qr() && !v4.header().ra());
    }
    let any = ask(&query("db", 255), Transport::Udp);
    assert_eq!(addresses(&any).len(), 2);
}

#[test]
fn a06_a_name_without_such_an_address_exists_and_one_that_is_not_does_not() {
    // No overlay is shared with redis.
    let empty = ask(&query("redis", 1), Transport::Udp);
    assert_eq!(
        (code(&empty).as_str(), addresses(&empty).len()),
        ("NOERROR", 0)
    );
    let mail = ask(&query("db", 15), Transport::Udp);
    assert_eq!(
        (code(&mail).as_str(), addresses(&mail).len()),
        ("NOERROR", 0)
    );
    for name in [
        "nobody",
        "db.other",
        "example.org",
        "a.b.c.d.shop",
        "db\\.shop",
    ] {
        assert_eq!(
            code(&ask(&query(name, 28), Transport::Udp)),
            "NXDOMAIN",
            "{name}"
        );
    }
    let root = ask(&[&DB_A[..12], &[0, 0, 1, 0, 1]].concat(), Transport::Udp);
    assert_eq!(code(&root), "NXDOMAIN");
}

#[test]
fn what_does_not_fit_into_a_datagram_is_cut_and_whole_on_a_stream() {
    let plain = ask(&query("crowd", 1), Transport::Udp);
    assert!(plain.header().tc() && plain.as_octets().len() <= 512);
    assert!(addresses(&plain).len() > 20);
    let edns = ask(&with_edns(query("crowd", 1), 65_535, 0), Transport::Udp);
    assert!(edns.header().tc() && edns.as_octets().len() <= 1232);
    assert!(addresses(&edns).len() > addresses(&plain).len());
    assert_eq!(edns.opt().unwrap().udp_payload_size(), EDNS_SIZE);
    let tiny = ask(&with_edns(query("crowd", 1), 0, 0), Transport::Udp);
    assert!(tiny.as_octets().len() <= 512 && tiny.header().tc());
    let whole = ask(&query("crowd", 1), Transport::Tcp);
    assert!(!whole.header().tc());
    assert_eq!(addresses(&whole).len(), 80);
}

#[test]
fn what_is_not_a_plain_query_is_refused_by_its_code() {
    let changed = |at: usize, byte: u8| {
        let mut query = DB_A.to_vec();
        query[at] = byte;
        query
    };
    assert_eq!(
        code(&ask(&changed(2, 0x28), Transport::Udp)),
        "NOTIMP",
        "an update"
    );
    assert_eq!(
        code(&ask(&changed(5, 0), Transport::Udp)),
        "FORMERR",
        "no question"
    );
    assert_eq!(
        code(&ask(&changed(5, 2), Transport::Udp)),
        "FORMERR",
        "two questions"
    );
    assert_eq!(
        code(&ask(&changed(19, 3), Transport::Udp)),
        "REFUSED",
        "chaos class"
    );
    assert_eq!(
        code(&ask(&with_edns(DB_A.to_vec(), 1232, 1), Transport::Udp)),
        "BADVERS"
    );
    assert_eq!(
        code(&ask(&DB_A[..15], Transport::Udp)),
        "FORMERR",
        "cut off"
    );
}

#[test]
fn a_response_is_never_answered() {
    let mut response = DB_A.to_vec();
    response[2] |= 0x80;
    for bytes in [&response[..], &DB_A[..11], b""] {
        assert_eq!(respond(bytes, Transport::Udp, &names(), "shop-app-1"), None);
    }
}

proptest! {
    #[test]
    fn no_datagram_breaks_the_responder(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = respond(&bytes, Transport::Udp, names_once(), "shop-app-1");
    }

    #[test]
    fn no_damaged_query_breaks_the_responder(at in 0..40_usize, byte in any::<u8>(), cut in 12..60_usize, size in any::<u16>()) {
        let mut bytes = with_edns(query("crowd.shop", 255), size, 0);
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(cut);
        if let Some(response) = respond(&bytes, Transport::Udp, names_once(), "shop-app-1") {
            prop_assert!(response.len() <= usize::from(EDNS_SIZE));
            let message = Message::from_octets(response).unwrap();
            prop_assert!(message.header().qr());
            prop_assert_eq!(&message.as_octets()[..2], &bytes[..2]);
        }
    }
}

fn names_once() -> &'static Names {
    static NAMES: std::sync::OnceLock<Names> = std::sync::OnceLock::new();
    NAMES.get_or_init(names)
}

#[test]
fn a_name_may_be_as_long_as_names_are() {
    let label = "a".repeat(63);
    let long = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    assert!(long.parse::<Name<Vec<u8>>>().is_ok());
    assert_eq!(code(&ask(&query(&long, 1), Transport::Udp)), "NXDOMAIN");
}
