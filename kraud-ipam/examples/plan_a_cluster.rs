//! Plans the addresses of a cluster: a VPC's own prefix, a /64 per host, two overlays with fixed and
//! automatic addresses. Run it twice, or on two machines: the plan is the same.

use std::error::Error;

use ipnet::IpNet;
use kraud_ipam::{AllocRequest, CarveRequest, Ipam, OverlayRequest, Subnet, SubnetPool, ula};

fn main() -> Result<(), Box<dyn Error>> {
    let mut ipam = Ipam::new();
    let vpc = ula::prefix48(b"acme\0production");
    println!("VPC acme/production: {vpc}");

    ipam.transaction(|tx| -> Result<(), Box<dyn Error>> {
        tx.insert_pool("vpc", SubnetPool::new([vpc.into()])?)?;
        tx.insert_pool("overlays", SubnetPool::new(["10.0.0.0/8".parse()?])?)?;
        for host in ["ha", "hb"] {
            let prefix = tx
                .carve("vpc", format!("host {host}"), CarveRequest::stable(64))?
                .prefix();
            tx.insert_subnet(host, Subnet::new(prefix)?)?;
            println!("host {host}: {prefix}");
        }
        // One overlay names its subnet, the other takes what it gets.
        for (overlay, request) in [
            (
                "nextcloud/v",
                CarveRequest::exact("192.168.0.0/16".parse()?).anywhere(),
            ),
            ("nextcloud/default", CarveRequest::stable(23)),
        ] {
            let net4 = tx.carve("overlays", overlay, request)?.prefix();
            let net6 = tx.carve("vpc", overlay, CarveRequest::stable(64))?.prefix();
            tx.insert_subnet(overlay, Subnet::new(net4)?)?;
            println!("overlay {overlay}: {net4} {net6}");
        }
        Ok(())
    })?;

    for (pod, host, overlay, request) in [
        (
            "nextcloud/db.1",
            "ha",
            "nextcloud/v",
            AllocRequest::exact("192.168.2.2".parse()?),
        ),
        (
            "nextcloud/app.1",
            "hb",
            "nextcloud/v",
            AllocRequest::stable(),
        ),
        (
            "nextcloud/cron.1",
            "hb",
            "nextcloud/default",
            AllocRequest::stable(),
        ),
    ] {
        let Some(IpNet::V6(net6)) = ipam.pool("vpc").and_then(|pool| pool.prefix_of(overlay))
        else {
            return Err("the overlay has no IPv6 prefix".into());
        };
        let overlays = [OverlayRequest {
            subnet: overlay,
            net6,
            request,
        }];
        let (addresses, _change) =
            ipam.transaction(|tx| tx.allocate_pod(pod, (host, AllocRequest::stable()), overlays))?;
        let (v4, v6) = addresses.overlays[0];
        println!(
            "pod {pod} on {host}: {} | {overlay} {v4} {v6}",
            addresses.vpc
        );
    }

    // A conflict names both sides, and nothing happens.
    let refused = ipam.transaction(|tx| {
        tx.allocate(
            "nextcloud/v",
            "shop/db.1",
            AllocRequest::exact("192.168.2.2".parse().expect("a literal")),
        )
    });
    println!("refused: {}", refused.expect_err("it is held"));
    Ok(())
}
