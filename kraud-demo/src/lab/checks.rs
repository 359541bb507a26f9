//! Who must reach whom, and how large a packet may be.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::lab::ping::{Outcome, Pinger};
use crate::lab::report::{Expect, PingRow};
use crate::lab::signals::Interrupt;
use crate::model::{Deployment, Pod};
use crate::plan::Mtu;

/// The size of a default `ping`: 56 bytes of payload over IPv4.
const SMALL: usize = 84;
/// A reply that has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a pair may need for its first exchange: WireGuard repeats a lost handshake after five seconds.
const WARM_UP: Duration = Duration::from_secs(12);

/// Every check of a deployment: between every pair of pods, over the VPC and over each overlay that they share, a small
/// packet and one of exactly the predicted MTU are answered, and one byte more is refused.
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

fn checks(network: &str, from: &Pod, to: &Pod, address: IpAddr, mtu: u32, rows: &mut Vec<PingRow>) {
    let mtu = mtu as usize;
    for (bytes, expect) in [
        (SMALL, Expect::Reply),
        (mtu, Expect::Reply),
        (mtu + 1, Expect::TooBig),
    ] {
        rows.push(PingRow {
            network: network.to_owned(),
            from: from.name.clone(),
            to: to.name.clone(),
            address,
            bytes,
            expect,
            ok: false,
            rtt_us: None,
            instead: None,
        });
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
) -> Result<Vec<PingRow>, Error> {
    let mut rows = Vec::with_capacity(planned.len());
    for row in planned {
        interrupt.check()?;
        let outcome = match pingers.get_mut(&row.from) {
            Some(pinger) => ping(pinger, &row, interrupt),
            None => Outcome::Failed(format!("{} has no sockets", row.from)),
        };
        rows.push(row.ended(&outcome));
    }
    Ok(rows)
}

/// A small packet is repeated until the session between the two hosts stands; the others get one chance.
fn ping(pinger: &mut Pinger, row: &PingRow, interrupt: &Interrupt) -> Outcome {
    let started = Instant::now();
    loop {
        let outcome = pinger.ping(row.address, row.bytes, PATIENCE);
        let again =
            outcome == Outcome::Silence && row.bytes == SMALL && started.elapsed() < WARM_UP;
        if !again || interrupt.is_set() {
            return outcome;
        }
    }
}
