//! The packet filter of pods and VPCs, as this machine's own kernel takes it.

mod common;
mod machine;

use common::deployed;
use kraud_demo::plan::{Action, Plan};
use kraud_demo::site::Site;
use kraud_netlink::{Netns, NftTable, Op};
use machine::sh;

const PROJECT: &str = "
name: shop
services:
  app: {networks: [back]}
  db: {networks: {back: {ipv4_address: 10.77.4.0/22}}}
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
";

/// The namespaces' tables, by namespace.
fn tables() -> Vec<(String, NftTable)> {
    let plan = Plan::of_host(&deployed(PROJECT, "default"), 0, &Site::default()).unwrap();
    let tables = plan.steps.into_iter().filter_map(|step| match step.action {
        Action::Netlink(op) => match *op {
            Op::SetNft(table) => Some((step.namespace, table)),
            _ => None,
        },
        _ => None,
    });
    tables.collect()
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a01_d11_the_kernel_has_the_rules_as_planned_and_as_nft_makes_them() {
    assert_eq!(
        tables().len(),
        2,
        "one for each pod; a lone host has no peers to guard against"
    );
    for (namespace, table) in tables() {
        let name = format!("kraud-guard-{namespace}");
        sh(&format!("ip netns add {name}"));
        let mut kernel = Netns::open(&name).unwrap().handle().unwrap();
        let op = Op::SetNft(table.clone());
        kernel.apply(&op).unwrap();
        assert!(kernel.nft_matches(&table).unwrap());
        let list = format!("ip netns exec {name} nft list ruleset");
        let ours = sh(&list);
        for command in op.commands(&kraud_netlink::CommandContext::in_netns(&name)) {
            sh(&command);
        }
        let theirs = sh(&list);
        sh(&format!("ip netns del {name}"));
        assert_eq!(ours, theirs);
        assert!(ours.contains("@nh,416,") && ours.contains("drop"), "{ours}");
    }
}
