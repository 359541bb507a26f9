//! What is listed, and what the kernel leaves out.

use kraud_netlink::{Address, Op, Route, RouteFilter};

mod common;
use common::{add_pair, ip, namespace, net};

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn routes_are_filtered_by_owner_table_and_link() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    kernel
        .apply(&Op::AddAddress(Address::new("v0", net("10.0.0.1/24"))))
        .unwrap();
    kernel
        .apply(&Op::AddAddress(
            Address::new("v1", net("fd00::1/64")).nodad(),
        ))
        .unwrap();
    let routes = [
        Route::new(net("10.1.0.0/16")).dev("v0").protocol(75),
        Route::new(net("10.2.0.0/16")).dev("v1").protocol(75),
        Route::new(net("10.3.0.0/16"))
            .via(ip("10.0.0.2"))
            .dev("v0")
            .protocol(76)
            .table(1000),
        Route::new(net("fd01::/64"))
            .dev("v1")
            .protocol(75)
            .metric(7),
    ];
    for route in &routes {
        kernel.apply(&Op::AddRoute(route.clone())).unwrap();
    }
    let mut list = |filter: RouteFilter| -> Vec<Route> {
        let listed: Vec<Route> = kernel
            .routes_where(&filter)
            .unwrap()
            .into_iter()
            .map(|info| info.route)
            .collect();
        let mut visited = Vec::new();
        kernel
            .visit_routes(&filter, &mut |info| visited.push(info.route))
            .unwrap();
        assert_eq!(listed, visited);
        listed
    };
    assert_eq!(list(RouteFilter::v4().protocol(75)), routes[..2]);
    assert_eq!(list(RouteFilter::v4().protocol(75).dev("v1")), routes[1..2]);
    assert_eq!(list(RouteFilter::v4().table(1000)), routes[2..3]);
    assert_eq!(list(RouteFilter::v6().protocol(75)), routes[3..]);
    assert_eq!(
        list(RouteFilter::v4().table(4711)),
        [],
        "a table that is not there has no routes"
    );
}
