//! `mtu`: what each layer takes from a packet (row A11).

use std::fmt::Write;

use kraud_tunnel::mtu::{Layer, Stack};
use serde::Serialize;

use super::print_as;
use crate::cli::{Family, MtuArgs};
use crate::error::Error;

/// The explanation as data.
#[derive(Debug, Serialize)]
struct Explanation {
    schema: &'static str,
    link_mtu: u32,
    layers: Vec<LayerRow>,
    mtu: u32,
    overhead: u32,
    mss_ipv4: Option<u32>,
    mss_ipv6: Option<u32>,
}

/// One layer.
#[derive(Debug, Serialize)]
struct LayerRow {
    layer: &'static str,
    overhead: u32,
    mtu: u32,
    headers: Vec<HeaderRow>,
}

/// One header of a layer.
#[derive(Debug, Serialize)]
struct HeaderRow {
    header: &'static str,
    bytes: u32,
}

pub(super) fn run(args: &MtuArgs) -> Result<(), Error> {
    let explanation = explain(args)?;
    print_as(args.output, &explanation, || explanation.text())
}

fn explain(args: &MtuArgs) -> Result<Explanation, Error> {
    let wireguard = match args.underlay {
        Family::V4 => Layer::WireGuardOverIpv4,
        Family::V6 => Layer::WireGuardOverIpv6,
    };
    let tunnel = if args.encap_limit {
        Layer::Ip6IpLimit
    } else {
        Layer::Ip6Ip
    };
    let vlan = args.vlan.then_some(Layer::VlanInsideMtu);
    let layers: Vec<Layer> = vlan.into_iter().chain([wireguard, tunnel]).collect();
    let stack = Stack::new(args.link, &layers);
    let too_small = || {
        let least = stack.overhead();
        Error::Usage(format!(
            "--link {} is too small: the layers alone take {least} bytes",
            args.link
        ))
    };
    let row = |step: kraud_tunnel::mtu::Step| LayerRow {
        layer: step.layer.name(),
        overhead: step.layer.overhead(),
        mtu: step.mtu,
        headers: step
            .layer
            .parts()
            .iter()
            .map(|part| HeaderRow {
                header: part.name,
                bytes: part.bytes,
            })
            .collect(),
    };
    Ok(Explanation {
        schema: crate::SCHEMA,
        link_mtu: args.link,
        layers: stack.steps().map(row).collect(),
        mtu: stack.mtu().filter(|mtu| *mtu > 0).ok_or_else(too_small)?,
        overhead: stack.overhead(),
        mss_ipv4: stack.mss_ipv4(),
        mss_ipv6: stack.mss_ipv6(),
    })
}

impl Explanation {
    fn text(&self) -> String {
        let mut text = format!("{:<52}{:>6}\n", "link", self.link_mtu);
        for layer in &self.layers {
            let _ = writeln!(
                text,
                "{:<44}{:>8}{:>6}",
                layer.layer,
                format!("-{}", layer.overhead),
                layer.mtu
            );
            for header in &layer.headers {
                let _ = writeln!(text, "  {:<44}{:>4}", header.header, header.bytes);
            }
        }
        let mss = |mss: Option<u32>| mss.map_or_else(|| "-".to_owned(), |mss| mss.to_string());
        let _ = writeln!(
            text,
            "TCP segment: {} over IPv4, {} over IPv6",
            mss(self.mss_ipv4),
            mss(self.mss_ipv6)
        );
        text
    }
}
