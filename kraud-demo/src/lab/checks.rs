//! Who must reach whom, and how large a packet may be.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::lab::ping::{Outcome, Pinger};
use crate::lab::report::{Expect, PingRow};
use crate::lab::signals::Interrupt;
use crate::model::{Deployment, Egress, Family, Pod};
use crate::plan::{Mtu, POD_DEVICE, Plan, ROUTER, routers};
use crate::talk::Progress;

/// The size of a default `ping`: 56 bytes of payload over IPv4.
const SMALL: usize = 84;
/// A reply that has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a pair may need for its first exchange: WireGuard repeats a lost handshake after five seconds.
const WARM_UP: Duration = Duration::from_secs(12);
/// How long a packet of the MTU is tried.
const LARGE: Duration = Duration::from_secs(3);

/// What the VPC carries: between every pair of pods, over the VPC and over each overlay that they share, a small packet
/// and one of exactly the predicted MTU are answered, and one byte more is refused.
#[must_use]
pub fn plan(deployment: &Deployment, mtu: Mtu) -> Vec<PingRow> {
    let mut rows = Vec::new();
    let pods: Vec<&Pod> = deployment
        .pods
        .iter()
        .filter(|pod| pod.address.is_some())
        .collect();
    for from in &pods {
        for to in pods.iter().filter(|to| to.name != from.name) {
            if let Some(address) = to.address {
                checks("vpc", from, to, address.into(), mtu.vpc, &mut rows);
            }
        }
    }
    for (index, overlay) in deployment.overlays.iter().enumerate() {
        for from in &pods {
            for (to, _, theirs) in deployment
                .neighbours(from)
                .filter(|(_, own, _)| own.overlay == index)
            {
                // An overlay without IPv4 is checked over IPv6.
                if let Some(address) = theirs.addresses().next() {
                    checks(
                        &overlay.full_name(),
                        from,
                        to,
                        address,
                        mtu.overlay,
                        &mut rows,
                    );
                }
            }
        }
    }
    rows
}

/// What bridges and ipvlan networks carry, in the clear: the same between their members.
#[must_use]
pub fn networks(deployment: &Deployment, plan: &Plan) -> Vec<PingRow> {
    let mut rows = Vec::new();
    for index in 0..deployment.networks.len() {
        network(deployment, plan, index, &mut rows);
    }
    rows
}

/// The checks of a bridge or ipvlan network: members see each other on one host, and on one link below several.
fn network(deployment: &Deployment, plan: &Plan, index: usize, rows: &mut Vec<PingRow>) {
    let network = &deployment.networks[index];
    let name = network.full_name();
    let place = |pod: &Pod| {
        plan.network(&name, &deployment.hosts[pod.host].name)
            .cloned()
    };
    for from in &deployment.pods {
        for to in deployment.pods.iter().filter(|to| to.name != from.name) {
            let (Some(own), Some(theirs)) = (from.attachment(index), to.attachment(index)) else {
                continue;
            };
            let (Some(here), Some(there)) = (place(from), place(to)) else {
                continue;
            };
            if from.host == to.host || network.is_one_link(POD_DEVICE) {
                for address in network.reachable(own, theirs) {
                    let mtu = here.mtu.min(there.mtu);
                    checks(&name, from, to, address, mtu, rows);
                }
            }
        }
    }
}

/// From each pod whose packets leave masqueraded, the router that knows nothing of the pods (row B5).
#[must_use]
pub fn outside(deployment: &Deployment) -> Vec<PingRow> {
    let mut rows = Vec::new();
    for pod in &deployment.pods {
        for router in routers(&deployment.hosts[pod.host]) {
            let masqueraded = pod.attachments.iter().any(|attachment| {
                let network = &deployment.networks[attachment.network];
                let family = Family::of(router);
                let mut subnets = network.subnets.iter();
                attachment.default.contains(&family)
                    && subnets.any(|subnet| {
                        Family::of_prefix(subnet.net) == family
                            && subnet.egress == Egress::Masqueraded
                    })
            });
            if masqueraded {
                rows.push(row("outside", pod, ROUTER, router, SMALL, Expect::Reply));
            }
        }
    }
    rows
}

/// From each pod of the host that has a way out of that family, an address outside (row B5).
#[must_use]
pub fn reaches(deployment: &Deployment, host: usize, address: IpAddr) -> Vec<PingRow> {
    let family = Family::of(address);
    let has_way = |pod: &&Pod| {
        let mut attachments = pod.attachments.iter();
        attachments.any(|attachment| attachment.default.contains(&family))
    };
    let pods = deployment.pods_on(host).filter(has_way);
    pods.map(|pod| row("outside", pod, "outside", address, SMALL, Expect::Reply))
        .collect()
}

fn checks(network: &str, from: &Pod, to: &Pod, address: IpAddr, mtu: u32, rows: &mut Vec<PingRow>) {
    let mtu = mtu as usize;
    for (bytes, expect) in [
        (SMALL, Expect::Reply),
        (mtu, Expect::Reply),
        (mtu + 1, Expect::TooBig),
    ] {
        rows.push(row(network, from, &to.name, address, bytes, expect));
    }
}

fn row(
    network: &str,
    from: &Pod,
    to: &str,
    address: IpAddr,
    bytes: usize,
    expect: Expect,
) -> PingRow {
    PingRow {
        network: network.to_owned(),
        from: from.name.clone(),
        to: to.to_owned(),
        address,
        bytes,
        expect,
        ok: false,
        rtt_us: None,
        instead: None,
    }
}

/// Sends every echo request and notes how it ended.
///
/// # Errors
///
/// [`Error::Interrupted`] as soon as a signal came.
pub fn run(
    planned: Vec<PingRow>,
    pingers: &mut BTreeMap<String, Pinger>,
    interrupt: &Interrupt,
    mut progress: Progress,
) -> Result<Vec<PingRow>, Error> {
    let mut rows = Vec::with_capacity(planned.len());
    for row in planned {
        interrupt.check()?;
        progress.at(rows.len());
        let outcome = match pingers.get_mut(&row.from) {
            Some(pinger) => ping(pinger, &row, interrupt),
            None => Outcome::Failed(format!("{} has no sockets", row.from)),
        };
        rows.push(row.ended(&outcome));
    }
    Ok(rows)
}

/// A small packet is repeated until the session between the two hosts stands, a large one that should be answered as
/// often as a busy machine may drop it: what does not fit is never answered.
fn ping(pinger: &mut Pinger, row: &PingRow, interrupt: &Interrupt) -> Outcome {
    let started = Instant::now();
    loop {
        let outcome = pinger.ping(row.address, row.bytes, PATIENCE);
        let limit = match row.expect {
            _ if row.bytes == SMALL => WARM_UP,
            Expect::Reply => LARGE,
            _ => Duration::ZERO,
        };
        let again = outcome == Outcome::Silence && started.elapsed() < limit;
        if !again || interrupt.is_set() {
            return outcome;
        }
    }
}
