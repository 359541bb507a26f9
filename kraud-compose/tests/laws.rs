//! What holds for any input.

mod common;

use common::{has, load_as, options};
use kraud_compose::{Profile, interpolate, parse_env_file};
use proptest::prelude::*;

/// Lines out of which YAML that is nearly a compose file grows.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "services:",
        "networks:",
        "  a:",
        "  b: &b",
        "    image: x",
        "    networks:",
        "      - a",
        "      n:",
        "        ipv4_address: 10.0.0.5",
        "  n:",
        "    ipam:",
        "      config:",
        "        - subnet: 10.0.0.0/24",
        "          gateway: 10.0.0.1",
        "    <<: *b",
        "    ports: ['80:80']",
        "    driver: ipvlan",
        "    scale: 3",
        "    network_mode: ${X:-host}",
        "---",
        "x-y: [1, {2: 3}]",
        "    depends_on: [a, b]",
        "  \t",
        "é: \"ü",
        "...",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn findings_are_in_order_and_inside_of_the_file(text in prop_oneof![nearly(), any::<String>()]) {
        let (_, diagnostics) = load_as(&text, &options(Profile::Lint));
        prop_assert!(diagnostics.as_slice().windows(2).all(|w| w[0].span <= w[1].span));
        for d in &diagnostics {
            prop_assert!(text.get(d.span.range()).is_some());
        }
    }

    #[test]
    fn an_address_is_refused_exactly_outside_of_its_subnet(
        net in any::<u32>(), length in 8_u8..=30, host in any::<u32>(), inside: bool,
    ) {
        let subnet = ipnet::Ipv4Net::new(net.into(), length).unwrap().trunc();
        let mask = u32::MAX >> length;
        let near = subnet.network().to_bits() | (host & mask);
        let address = std::net::Ipv4Addr::from_bits(if inside { near } else { host });
        let text = format!(
            "services: {{a: {{image: x, networks: {{n: {{ipv4_address: {address}}}}}}}}}\nnetworks: {{n: {{ipam: {{config: [{{subnet: {subnet}}}]}}}}}}"
        );
        let (_, diagnostics) = load_as(&text, &options(Profile::Compat));
        prop_assert_eq!(has(&diagnostics, "KC0104"), !subnet.contains(&address));
        let edge = [subnet.network(), subnet.broadcast()].contains(&address);
        prop_assert_eq!(has(&diagnostics, "KC0105"), edge);
    }

    #[test]
    fn a_text_without_a_dollar_is_its_own_value(text in "[^$]*") {
        let value = interpolate(&text, |_| None).unwrap().into_owned();
        prop_assert_eq!(value, text);
    }

    #[test]
    fn variables_and_env_files_never_panic(text: String, value: Option<String>) {
        let _ = interpolate(&text, |_| value.clone());
        let _ = parse_env_file(&text, |_| value.clone());
        let _ = parse_env_file(&format!("A=\"{text}\nB='{text}'"), |_| value.clone());
    }

    #[test]
    fn delegated_prefixes_give_each_replica_its_own(net in any::<u32>(), length in 0_u8..=32, replicas in 1_u32..40) {
        let net = ipnet::Ipv4Net::new(net.into(), length).unwrap().trunc();
        let prefix = kraud_compose::Ipv4Assignment::Prefix(net);
        let all: Vec<_> = (0..replicas).filter_map(|i| prefix.for_replica(i, replicas)).collect();
        let mut addresses: Vec<_> = all.iter().map(|r| r.address).collect();
        prop_assert!(addresses.iter().all(|a| net.contains(a)));
        addresses.dedup();
        prop_assert_eq!(addresses.len(), all.len());
        prop_assert_eq!(prefix.for_replica(replicas, replicas), None);
    }
}
