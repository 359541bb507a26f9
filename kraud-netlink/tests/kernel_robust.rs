//! What other libraries were seen to get wrong, on the running kernel and against a peer that misbehaves.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kraud_netlink::{
    Address, Connection, Error, Handle, Link, LinkChange, Netns, NextHop, Op, Peer, PublicKey,
    Route, Transport, Veth, Wireguard, WireguardReader,
};

mod common;
use common::{add_pair, ip, namespace, net};

/// A link with an address and a gateway on it.
fn routed() -> Option<(Netns, Handle)> {
    let netns = namespace()?;
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    kernel
        .apply(&Op::AddAddress(Address::new("v0", net("10.0.0.1/8"))))
        .unwrap();
    Some((netns, kernel))
}

fn host_route(n: u32) -> Route {
    Route::new(net(&format!("{}/32", Ipv4Addr::from(0xc0a8_0000 + n))))
        .dev("v0")
        .protocol(75)
}

fn owned(kernel: &mut Handle) -> Vec<Route> {
    let routes = kernel.routes().unwrap().into_iter().map(|info| info.route);
    routes.filter(|route| route.protocol == 75).collect()
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_dump_whose_first_route_is_huge_is_complete() {
    let Some((_netns, mut kernel)) = routed() else {
        return;
    };
    let mut huge = Route::new(net("1.0.0.0/8")).protocol(75);
    for n in 0..300_u32 {
        huge = huge.nexthop(NextHop::via(Ipv4Addr::from(0x0a00_0002 + n).into()).dev("v0"));
    }
    kernel.apply(&Op::AddRoute(huge.clone())).unwrap();
    for n in 0..6 {
        kernel.apply(&Op::AddRoute(host_route(n))).unwrap();
    }
    // A socket that has not received anything yet, as in a program that only lists.
    let mut fresh = kernel.netns().handle().unwrap();
    let found = owned(&mut fresh);
    assert_eq!(found.len(), 7);
    assert_eq!(
        found.iter().map(|route| route.nexthops.len()).max(),
        Some(300)
    );
    assert!(found.contains(&huge));
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn the_error_of_a_request_above_8_kib_keeps_its_number() {
    let Some((_netns, mut kernel)) = routed() else {
        return;
    };
    let mut huge = Route::new(net("1.0.0.0/8"));
    for n in 0..700_u32 {
        huge = huge.nexthop(NextHop::via(Ipv4Addr::from(0x0a00_0002 + n).into()).dev("v0"));
    }
    kernel.apply(&Op::AddRoute(huge.clone())).unwrap();
    let error = kernel.apply(&Op::AddRoute(huge)).unwrap_err();
    assert!(error.is_exists(), "{error}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_batch_of_any_size_reports_each_failure_and_no_other() {
    let Some((_netns, mut kernel)) = routed() else {
        return;
    };
    let ops: Vec<Op> = (0..5000).map(|n| Op::AddRoute(host_route(n))).collect();
    let before = kernel.requests();
    let report = kernel.apply_batch(&ops).unwrap();
    assert_eq!((report.done, report.failed.len()), (5000, 0));
    assert!(
        kernel.requests() - before <= 5000_u64.div_ceil(128) + 1,
        "few datagrams"
    );
    assert_eq!(owned(&mut kernel).len(), 5000);

    // Every one of these fails but the last: more answers than the receive buffer would hold at once.
    let mut again = ops.clone();
    again.push(Op::AddRoute(host_route(5000)));
    let report = kernel.apply_batch(&again).unwrap();
    assert_eq!((report.done, report.failed.len()), (1, 5000));
    assert!(
        report
            .failed
            .iter()
            .enumerate()
            .all(|(n, (place, error))| *place == n && error.is_exists())
    );

    let delete: Vec<Op> = (0..=5001).map(|n| Op::DeleteRoute(host_route(n))).collect();
    let report = kernel.apply_batch(&delete).unwrap();
    let [(5001, error)] = &report.failed[..] else {
        panic!("{:?}", report.failed)
    };
    assert!(
        error.is_not_found() && error.to_string().contains("ip route del 192.168.19.137"),
        "{error}"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_dump_that_is_changed_under_way_is_read_again() {
    let Some((netns, mut kernel)) = routed() else {
        return;
    };
    let ops: Vec<Op> = (0..3000).map(|n| Op::AddRoute(host_route(n))).collect();
    kernel.apply_batch(&ops).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let churn = std::thread::spawn({
        let (stop, mut other) = (Arc::clone(&stop), netns.handle().unwrap());
        move || {
            let route = host_route(60_000);
            while !stop.load(Ordering::Relaxed) {
                other.apply(&Op::AddRoute(route.clone())).unwrap();
                other.apply(&Op::DeleteRoute(route.clone())).unwrap();
            }
        }
    });
    for _ in 0..20 {
        match kernel.routes() {
            Ok(routes) => {
                let found = routes
                    .iter()
                    .filter(|info| info.route.protocol == 75)
                    .count();
                assert!((3000..=3001).contains(&found), "{found}");
            }
            Err(Error::DumpInterrupted { attempts, .. }) => assert_eq!(attempts, 10),
            Err(error) => panic!("{error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    churn.join().unwrap();
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn one_message_deletes_a_group_of_links() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    let before = kernel.links().unwrap().len();
    let add: Vec<Op> = (0..100)
        .map(|n| Op::AddLink(Link::veth(format!("a{n}"), format!("b{n}").as_str()).group(75)))
        .collect();
    assert_eq!(kernel.apply_batch(&add).unwrap().done, 100);
    assert_eq!(kernel.links().unwrap().len(), before + 200);
    kernel.apply(&Op::DeleteLinkGroup(75)).unwrap();
    assert_eq!(kernel.links().unwrap().len(), before);
    assert!(
        kernel.apply(&Op::DeleteLinkGroup(0)).is_err(),
        "every other link is in group 0"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_signal_storm_interrupts_nothing() {
    let Some((_netns, mut kernel)) = routed() else {
        return;
    };
    let stop = Arc::new(AtomicBool::new(false));
    let target = common::gettid();
    common::ignore_signals_with_a_handler();
    let storm = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                common::signal_thread(target);
            }
        }
    });
    for n in 0..500 {
        kernel.apply(&Op::AddRoute(host_route(n))).unwrap();
    }
    assert_eq!(owned(&mut kernel).len(), 500);
    stop.store(true, Ordering::Relaxed);
    storm.join().unwrap();
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn wireguard_is_split_below_the_limits_and_put_together_again() {
    let mut wanted = Wireguard::new("wg0").replace_peers();
    for n in 0..10_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let prefixes = (0..10).map(|m| net(&format!("{}/32", Ipv4Addr::from(n * 10 + m))));
        wanted = wanted.peer(Peer::new(PublicKey(key)).allow_all(prefixes));
    }
    let mut huge = Peer::new(PublicKey([0xff; 32]));
    huge.allowed_ips = (0..20_000_u32)
        .map(|n| net(&format!("fd00::{:x}:{:x}/128", n >> 16, n & 0xffff)))
        .collect();
    wanted = wanted.peer(huge);

    let mut bytes = Vec::new();
    wanted
        .encode(31, kraud_netlink::WIREGUARD_CHUNK, &mut bytes)
        .unwrap();
    let mut reader = WireguardReader::default();
    for message in kraud_netlink::wire::messages(&bytes) {
        let (_, body) = message.unwrap();
        assert!(body.len() + 16 <= kraud_netlink::WIREGUARD_CHUNK);
        reader.read(body).unwrap();
    }
    let found = reader.finish();
    assert_eq!(found.peers.len(), wanted.peers.len());
    for (found, wanted) in found.peers.iter().zip(&wanted.peers) {
        assert_eq!(
            (found.public_key, &found.allowed_ips),
            (wanted.public_key, &wanted.allowed_ips)
        );
    }
}

/// A peer that answers each request with the datagrams that it was given, in which `SEQ` and `PORT` are put.
struct Fake {
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    request: Vec<u8>,
}

const PORT: u32 = 4711;

impl Transport for Fake {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.request = datagram.to_vec();
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut answer) = self.answers.lock().unwrap().pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        if answer == b"ENOBUFS" {
            return Err(io::Error::from_raw_os_error(105));
        }
        // A sequence of zero stands for the request's.
        if answer.len() >= 12 && answer[8..12] == [0; 4] {
            answer[8..12].copy_from_slice(&self.request[8..12]);
        }
        let len = answer.len().min(buffer.len());
        buffer[..len].copy_from_slice(&answer[..len]);
        Ok(answer.len())
    }

    fn port(&self) -> u32 {
        PORT
    }
}

fn message(kind: u16, flags: u16, sequence: u32, port: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&port.to_ne_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn ack(code: i32) -> Vec<u8> {
    let mut body = code.to_ne_bytes().to_vec();
    body.extend_from_slice(&[0; 16]);
    message(2, 0x100, 0, PORT, &body)
}

fn done(flags: u16, code: i32) -> Vec<u8> {
    message(3, flags, 0, PORT, &code.to_ne_bytes())
}

/// A connection to a peer that gives these answers.
fn fake(answers: impl IntoIterator<Item = Vec<u8>>) -> Connection {
    let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
    Connection::new(Box::new(Fake {
        answers,
        request: Vec::new(),
    }))
}

fn request() -> Vec<u8> {
    message(26, 0x301, 0, 0, &[0; 12])
}

fn count_dump(connection: &mut Connection) -> (Result<(), Error>, u32, u32) {
    let (mut seen, restarts) = (0, std::cell::Cell::new(0));
    let result = connection.dump(
        &mut request(),
        &"list",
        &mut || restarts.set(restarts.get() + 1),
        &mut |_, _| {
            seen += 1;
            Ok(())
        },
    );
    (result, seen, restarts.get())
}

#[test]
fn foreign_and_old_answers_are_passed_over() {
    let foreign_port = message(2, 0, 0, 1, &(-1_i32).to_ne_bytes());
    let old_sequence = message(2, 0, 0xdead, PORT, &(-1_i32).to_ne_bytes());
    let mut connection = fake([foreign_port, old_sequence, ack(0)]);
    connection.request(&mut request(), &"set").unwrap();
}

#[test]
fn a_dump_of_any_length_is_read_whole() {
    let parts = 10_000;
    let part = message(24, 0x2, 0, PORT, &[0; 12]);
    let answers = std::iter::repeat_n(part, parts).chain([done(0x2, 0)]);
    // The first answer acknowledges the message that shows the kernel the size of the buffer.
    let (result, seen, _) = count_dump(&mut fake(std::iter::once(ack(0)).chain(answers)));
    result.unwrap();
    assert_eq!(seen as usize, parts);
}

#[test]
fn a_duplicate_answer_does_not_answer_the_next_request() {
    let first = message(2, 0x100, 1, PORT, &[0; 20]);
    let mut connection = fake([first.clone(), first, ack(-17)]);
    connection.request(&mut request(), &"set").unwrap();
    assert!(
        connection
            .request(&mut request(), &"set")
            .unwrap_err()
            .is_exists()
    );
}

#[test]
fn truncated_answers_are_errors() {
    for cut in 1..36 {
        let mut answer = ack(0);
        answer.truncate(cut);
        let mut connection = fake([answer]);
        let error = connection.request(&mut request(), &"set").unwrap_err();
        assert!(
            matches!(error, Error::Malformed { .. } | Error::Timeout { .. }),
            "{cut}: {error}"
        );
    }
    let mut connection = fake([vec![0; 100_000]]);
    let error = connection.request(&mut request(), &"set").unwrap_err();
    assert!(
        matches!(error, Error::Truncated { len: 100_000, .. }),
        "{error}"
    );
}

#[test]
fn the_error_at_the_end_of_a_dump_is_an_error() {
    let part = message(24, 2, 0, PORT, &[0; 12]);
    let (result, seen, _) = count_dump(&mut fake([ack(0), part, done(2, -2)]));
    assert!(result.unwrap_err().is_not_found());
    assert_eq!(seen, 1);
}

#[test]
fn an_interrupted_dump_is_tried_again_ten_times_at_most() {
    let part = |flags: u16| message(24, 2 | flags, 0, PORT, &[0; 12]);
    let (result, seen, restarts) = count_dump(&mut fake([
        ack(0),
        part(0x10),
        done(2, 0),
        part(0),
        done(2, 0),
    ]));
    result.unwrap();
    assert_eq!((seen, restarts), (2, 1));

    let endless = std::iter::once(ack(0)).chain((0..20).map(|_| done(0x12, 0)));
    let (result, _, restarts) = count_dump(&mut fake(endless));
    assert!(matches!(
        result,
        Err(Error::DumpInterrupted { attempts: 10, .. })
    ));
    assert_eq!(restarts, 9);
}

#[test]
fn an_overflowing_receive_buffer_is_told() {
    let (result, ..) = count_dump(&mut fake([ack(0), b"ENOBUFS".to_vec()]));
    assert!(matches!(result, Err(Error::Overrun { .. })));
    let (result, ..) = count_dump(&mut fake([ack(0), message(4, 0, 0, PORT, &[])]));
    assert!(matches!(result, Err(Error::Overrun { .. })));
}

#[test]
fn silence_is_a_timeout() {
    let error = fake([]).request(&mut request(), &"set").unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn another_process_cannot_answer_in_the_kernels_place() {
    let Some((netns, mut kernel)) = routed() else {
        return;
    };
    // Whoever may send to this port: the socket is connected to the kernel and takes nothing else.
    let spoof = netns
        .run(|| common::netlink_send_to_all_ports(&message(2, 0, 1, 0, &(-1_i32).to_ne_bytes())))
        .unwrap();
    println!("{spoof} datagrams were refused");
    kernel
        .apply(&Op::SetLink(LinkChange::new("v0").mtu(1400)))
        .unwrap();
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_nest_that_would_wrap_is_refused() {
    let mut route = Route::new(net("10.1.0.0/16"));
    for n in 0..5000_u32 {
        route = route.nexthop(NextHop::via(Ipv4Addr::from(0x0a00_0002 + n).into()));
    }
    let error = Op::AddRoute(route)
        .encode(&mut std::collections::HashMap::new(), &mut Vec::new())
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_veth_born_in_two_namespaces_leaves_nothing_when_its_end_fails() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    let before = kernel.links().unwrap().len();
    let link = Link::veth("v0", Veth::peer("v1").up()).alias("x".repeat(300));
    assert!(kernel.apply(&Op::AddLink(link)).is_err());
    assert_eq!(kernel.links().unwrap().len(), before);
    let _ = ip("::1");
}
