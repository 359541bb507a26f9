//! Benchmarks of kraud-netlink: building messages, and doing real work in a network namespace that only this process
//! holds. Each one asserts what it did. `raw` is the floor: prebuilt bytes and two system calls.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use kraud_netlink::{
    Address, Encap, Handle, Ip6Tnl, Ip6TnlMode, IpvlanMode, Link, LinkChange, Netns, Op, Peer,
    PublicKey, Route, RouteFilter, Veth, Wireguard,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

const ROUTES: u32 = 10_000;

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a prefix")
}

fn host_route(n: u32) -> Route {
    Route::new(net(&format!("{}/32", Ipv4Addr::from(0xc0a8_0000 + n))))
        .dev("v0")
        .protocol(75)
}

fn peer_route(n: u32) -> Route {
    let outer =
        std::net::Ipv6Addr::from(0xfd42_01a8_0000_0000_0000_0000_0000_0000_u128 + u128::from(n));
    host_route(n)
        .encap(Encap::ip6(outer).hop_limit(64))
        .metric(1000 + n)
}

fn wireguard_100x4() -> Wireguard {
    let peer = |n: u8| {
        let prefixes = (0..4).map(|m| net(&format!("10.{n}.{m}.0/24")));
        Peer::new(PublicKey([n; 32]))
            .endpoint(([192, 0, 2, n], 51820).into())
            .allow_all(prefixes)
    };
    Wireguard::new("wg0").peers((0..100).map(peer))
}

fn build(criterion: &mut Criterion) {
    let mut links = HashMap::from([("v0".to_owned(), 10), ("eth0".to_owned(), 11)]);
    let tunnel = Ip6Tnl::between(
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    )
    .mode(Ip6TnlMode::Ip4);
    let cases = [
        ("route", Op::AddRoute(host_route(1)), 44),
        ("route-encap", Op::AddRoute(peer_route(1)), 92),
        ("ip6tnl", Op::AddLink(Link::new("tnl0", tunnel)), 192),
        (
            "ipvlan",
            Op::AddLink(Link::ipvlan("ipvl0", "eth0", IpvlanMode::L3)),
            88,
        ),
    ];
    let mut buffer = Vec::with_capacity(64 * 1024);
    for (case, op, len) in cases {
        op.encode(&mut links, &mut buffer).unwrap();
        assert_eq!(buffer.len(), len, "{case}");
        criterion.bench_function(&format!("netlink/build/{case}/kraud-netlink"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                black_box(&op).encode(&mut links, &mut buffer).unwrap();
                black_box(&buffer);
            });
        });
        buffer.clear();
    }
    #[cfg(feature = "rivals")]
    criterion.bench_function("netlink/build/route/netlink-packet-route", |bencher| {
        let mut buffer = [0; 8192];
        assert_eq!(rivals::serialized(1, 10, 0, &mut buffer), 44);
        bencher.iter(|| rivals::serialized(black_box(1), 10, 0, &mut buffer));
    });
    let wireguard = wireguard_100x4();
    wireguard.encode(31, 32 * 1024, &mut buffer).unwrap();
    assert_eq!(buffer.len(), 18_432);
    criterion.bench_function("netlink/build/wireguard-100x4/kraud-netlink", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(&wireguard)
                .encode(31, 32 * 1024, &mut buffer)
                .unwrap();
            black_box(&buffer);
        });
    });
}

/// A namespace with a link to route to.
fn lab() -> Option<(Netns, Handle)> {
    let netns = match Netns::new() {
        Ok(netns) => netns,
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    let mut kernel = netns.handle().unwrap();
    kernel
        .apply(&Op::AddLink(Link::veth("v0", Veth::peer("v1").up()).up()))
        .unwrap();
    kernel
        .apply(&Op::AddAddress(Address::new("v0", net("10.0.0.1/8"))))
        .unwrap();
    Some((netns, kernel))
}

fn owned(kernel: &mut Handle) -> u32 {
    let mut count = 0;
    kernel
        .visit_routes(&RouteFilter::v4().protocol(75), &mut |_| count += 1)
        .unwrap();
    count
}

/// Deletes our routes, outside the timed part.
fn clear(kernel: &mut Handle) {
    let routes = kernel
        .routes_where(&RouteFilter::v4().protocol(75))
        .unwrap();
    let ops: Vec<Op> = routes
        .into_iter()
        .map(|info| Op::DeleteRoute(info.route))
        .collect();
    assert!(kernel.apply_batch(&ops).unwrap().failed.is_empty());
}

/// Times `add` as often as asked for, with what it made deleted in between and counted.
fn timed(
    kernel: &mut Handle,
    iterations: u64,
    expected: u32,
    mut add: impl FnMut(&mut Handle),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let start = Instant::now();
        add(kernel);
        total += start.elapsed();
        assert_eq!(owned(kernel), expected);
        clear(kernel);
    }
    total
}

/// A socket as bare as it gets.
fn raw_socket(netns: &Netns) -> Socket {
    netns
        .run(|| {
            let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
            socket.bind_auto().unwrap();
            socket.connect(&SocketAddr::new(0, 0)).unwrap();
            socket.set_cap_ack(true).unwrap();
            socket
        })
        .unwrap()
}

fn raw_add(socket: &Socket, messages: &[Vec<u8>], buffer: &mut [u8]) {
    for message in messages {
        socket.send(message, 0).unwrap();
        let len = socket.recv(&mut &mut buffer[..], 0).unwrap();
        assert!(len >= 20 && buffer[16..20] == [0; 4], "refused");
    }
}

fn encoded(kernel: &mut Handle, ops: &[Op]) -> Vec<Vec<u8>> {
    let mut links = HashMap::from([("v0".to_owned(), kernel.index("v0").unwrap())]);
    let encode = |op: &Op| {
        let mut bytes = Vec::new();
        op.encode(&mut links, &mut bytes).unwrap();
        bytes
    };
    ops.iter().map(encode).collect()
}

fn bulk(criterion: &mut Criterion) {
    let Some((netns, mut kernel)) = lab() else {
        return;
    };
    let ops: Vec<Op> = (0..ROUTES).map(|n| Op::AddRoute(host_route(n))).collect();
    let messages = encoded(&mut kernel, &ops);
    let mut group = criterion.benchmark_group("netlink/bulk");
    group.sample_size(10);

    let (socket, mut buffer) = (raw_socket(&netns), vec![0; 65536]);
    group.bench_function("10000-routes/raw", |bencher| {
        bencher.iter_custom(|iterations| {
            timed(&mut kernel, iterations, ROUTES, |_| {
                raw_add(&socket, &messages, &mut buffer);
            })
        });
    });
    group.bench_function("10000-routes/kraud-netlink-single", |bencher| {
        bencher.iter_custom(|iterations| {
            timed(&mut kernel, iterations, ROUTES, |kernel| {
                kernel.cache_names(true);
                let before = kernel.requests();
                assert_eq!(kernel.apply_all(&ops).unwrap(), ROUTES as usize);
                assert_eq!(
                    kernel.requests() - before,
                    u64::from(ROUTES) + 1,
                    "one request each, and one look-up"
                );
                kernel.cache_names(false);
            })
        });
    });
    group.bench_function("10000-routes/kraud-netlink-batch", |bencher| {
        bencher.iter_custom(|iterations| {
            timed(&mut kernel, iterations, ROUTES, |kernel| {
                assert_eq!(kernel.apply_batch(&ops).unwrap().done, ROUTES as usize);
            })
        });
    });

    #[cfg(feature = "rivals")]
    {
        let index = rivals::index(&mut kernel);
        group.bench_function("10000-routes/netavark-way", |bencher| {
            bencher.iter_custom(|iterations| {
                timed(&mut kernel, iterations, ROUTES, |_| {
                    rivals::add_one_by_one(&socket, ROUTES, index);
                })
            });
        });
        let rtnetlink = rivals::Async::new(&netns);
        group.bench_function("10000-routes/rtnetlink", |bencher| {
            bencher.iter_custom(|iterations| {
                timed(&mut kernel, iterations, ROUTES, |_| {
                    rtnetlink.add(ROUTES, index);
                })
            });
        });
    }

    let script: String = ops
        .iter()
        .map(|op| op.commands(&Default::default())[0].replace("ip ", "") + "\n")
        .collect();
    ip_batch(
        &mut group,
        &netns,
        &mut kernel,
        "10000-routes/ip-batch",
        &script,
        ROUTES,
    );

    let peers: Vec<Op> = (0..1000).map(|n| Op::AddRoute(peer_route(n))).collect();
    if kernel.apply(&peers[0]).is_ok() {
        clear(&mut kernel);
        for count in [1000, ROUTES] {
            let peers: Vec<Op> = (0..count).map(|n| Op::AddRoute(peer_route(n))).collect();
            group.bench_function(
                format!("{count}-encap-routes/kraud-netlink-batch"),
                |bencher| {
                    bencher.iter_custom(|iterations| {
                        timed(&mut kernel, iterations, count, |kernel| {
                            assert_eq!(kernel.apply_batch(&peers).unwrap().done, count as usize);
                        })
                    });
                },
            );
        }
        let script: String = peers
            .iter()
            .map(|op| op.commands(&Default::default())[0].replace("ip ", "") + "\n")
            .collect();
        ip_batch(
            &mut group,
            &netns,
            &mut kernel,
            "1000-encap-routes/ip-batch",
            &script,
            1000,
        );
    }
    group.finish();
}

/// The same through one run of `ip -batch`, where it is installed.
fn ip_batch(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    netns: &Netns,
    kernel: &mut Handle,
    name: &str,
    script: &str,
    expected: u32,
) {
    let file = std::env::temp_dir().join(format!("kraud-bench-{}.ip", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let run = || {
        std::process::Command::new("ip")
            .arg("-batch")
            .arg(&file)
            .status()
    };
    if netns.run(run).unwrap().is_ok_and(|status| status.success()) {
        clear(kernel);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                timed(kernel, iterations, expected, |_| {
                    assert!(netns.run(run).unwrap().unwrap().success());
                })
            });
        });
    } else {
        println!("skipped: {name}: no `ip`");
    }
    std::fs::remove_file(file).unwrap();
}

fn dump(criterion: &mut Criterion) {
    #[cfg_attr(
        not(feature = "rivals"),
        expect(unused_variables, reason = "rivals open sockets in it")
    )]
    let Some((netns, mut kernel)) = lab() else {
        return;
    };
    let ops: Vec<Op> = (0..ROUTES).map(|n| Op::AddRoute(host_route(n))).collect();
    assert_eq!(kernel.apply_batch(&ops).unwrap().done, ROUTES as usize);
    let mut group = criterion.benchmark_group("netlink/dump");
    group.sample_size(20);
    group.bench_function("10000-routes/kraud-netlink-typed", |bencher| {
        bencher.iter(|| assert_eq!(owned(&mut kernel), ROUTES));
    });
    #[cfg(feature = "rivals")]
    {
        let rtnetlink = rivals::Async::new(&netns);
        group.bench_function("10000-routes/rtnetlink", |bencher| {
            bencher.iter(|| assert_eq!(rtnetlink.count(), ROUTES));
        });
    }
    group.finish();
}

fn delete(criterion: &mut Criterion) {
    let Some((_netns, mut kernel)) = lab() else {
        return;
    };
    let mut group = criterion.benchmark_group("netlink/delete");
    group.sample_size(10);
    let add: Vec<Op> = (0..100)
        .map(|n| Op::AddLink(Link::veth(format!("a{n}"), format!("b{n}").as_str())))
        .collect();
    let one_by_one: Vec<Op> = (0..100).map(|n| Op::DeleteLink(format!("a{n}"))).collect();
    let mut together: Vec<Op> = (0..100)
        .map(|n| Op::SetLink(LinkChange::new(format!("a{n}")).group(75)))
        .collect();
    together.push(Op::DeleteLinkGroup(75));
    let time = |kernel: &mut Handle, iterations: u64, ops: &[Op]| {
        let mut total = Duration::ZERO;
        for _ in 0..iterations {
            assert_eq!(kernel.apply_batch(&add).unwrap().done, 100);
            let start = Instant::now();
            let (last, first) = ops.split_last().unwrap();
            assert!(kernel.apply_batch(first).unwrap().failed.is_empty());
            kernel.apply(last).unwrap();
            total += start.elapsed();
            assert!(kernel.link("a0").is_err() && kernel.link("a99").is_err());
        }
        total
    };
    group.bench_function("100-veth/one-by-one", |bencher| {
        bencher.iter_custom(|iterations| time(&mut kernel, iterations, &one_by_one));
    });
    group.bench_function("100-veth/kraud-netlink-group", |bencher| {
        bencher.iter_custom(|iterations| time(&mut kernel, iterations, &together));
    });
    group.finish();
}

/// The other libraries, doing the same in the same namespace.
#[cfg(feature = "rivals")]
mod rivals {
    use std::net::Ipv4Addr;

    use futures_util::TryStreamExt;
    use kraud_netlink::{Handle, Netns};
    use netlink_packet_core::{
        NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    };
    use netlink_packet_route::RouteNetlinkMessage;
    use netlink_packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
    use rtnetlink::RouteMessageBuilder;

    pub(super) fn message(n: u32, index: u32) -> RouteMessage {
        RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::from(0xc0a8_0000 + n), 32)
            .output_interface(index)
            .scope(RouteScope::Link)
            .protocol(RouteProtocol::from(75))
            .build()
    }

    /// rtnetlink on a runtime of this thread, with its socket in the namespace.
    pub(super) struct Async {
        runtime: tokio::runtime::Runtime,
        handle: rtnetlink::Handle,
    }

    impl Async {
        pub(super) fn new(netns: &Netns) -> Self {
            netns
                .run(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap();
                    let guard = runtime.enter();
                    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
                    drop(guard);
                    runtime.spawn(connection);
                    Self { runtime, handle }
                })
                .unwrap()
        }

        pub(super) fn add(&self, count: u32, index: u32) {
            self.runtime.block_on(async {
                for n in 0..count {
                    self.handle
                        .route()
                        .add(message(n, index))
                        .execute()
                        .await
                        .unwrap();
                }
            });
        }

        pub(super) fn count(&self) -> u32 {
            self.runtime.block_on(async {
                let mut routes = self
                    .handle
                    .route()
                    .get(RouteMessageBuilder::<Ipv4Addr>::new().build())
                    .execute();
                let mut count = 0;
                while let Some(route) = routes.try_next().await.unwrap() {
                    count += u32::from(route.header.protocol == RouteProtocol::from(75));
                }
                count
            })
        }
    }

    /// netavark's way: netlink-packet-route's message, one send and one receive of 8 KiB each.
    pub(super) fn serialized(n: u32, index: u32, sequence: u32, buffer: &mut [u8]) -> usize {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewRoute(message(n, index)));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        request.header.sequence_number = sequence;
        request.finalize();
        request.serialize(&mut buffer[..request.buffer_len()]);
        request.buffer_len()
    }

    pub(super) fn add_one_by_one(socket: &netlink_sys::Socket, count: u32, index: u32) {
        let (mut out, mut buffer) = ([0; 8192], [0; 8192]);
        for n in 0..count {
            let len = serialized(n, index, n + 1, &mut out);
            socket.send(&out[..len], 0).unwrap();
            let len = socket.recv(&mut &mut buffer[..], 0).unwrap();
            let answer =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(&buffer[..len]).unwrap();
            let NetlinkPayload::Error(error) = answer.payload else {
                panic!("no answer")
            };
            assert!(error.code.is_none());
        }
    }

    pub(super) fn index(kernel: &mut Handle) -> u32 {
        kernel.index("v0").unwrap()
    }
}

criterion_group!(benches, build, bulk, dump, delete);
criterion_main!(benches);
