//! Instructions of a whole load, validation included, counted by valgrind, against a budget.
//!
//! `cargo bench -p kraud-benches --bench compose_instructions`; with `--features rivals` those of the
//! other parsers beside it, and the ratios that kraud-compose promises are held.

use std::hint::black_box;
use std::process::ExitCode;

use kraud_benches::compose::{events, load, rare, real, wrong};
use kraud_benches::instructions::{self, Case, Ratio};

const CASES: &[Case] = &[
    Case {
        name: "load/12-services/kraud",
        budget: Some(0.95e6),
        run: |turns| kraud(turns, &real(12), 12, 0),
    },
    Case {
        name: "load/200-services/kraud",
        budget: Some(14.5e6),
        run: |turns| kraud(turns, &real(200), 200, 0),
    },
    Case {
        name: "load/2000-services/kraud",
        budget: Some(146e6),
        run: |turns| kraud(turns, &real(2000), 2000, 0),
    },
    Case {
        name: "load/200-services-400-errors/kraud",
        budget: Some(22e6),
        run: |turns| kraud(turns, &wrong(200), 200, 400),
    },
    Case {
        name: "load/200-services-rare-yaml/kraud",
        budget: Some(48e6),
        run: |turns| kraud(turns, &rare(200), 200, 0),
    },
    Case {
        name: "load/200-services/bare-events",
        budget: None,
        run: bare,
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "load/12-services/podup",
        budget: None,
        run: |turns| rival("podup", turns),
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "load/12-services/compose-lens",
        budget: None,
        run: |turns| rival("compose-lens", turns),
    },
];

const RATIOS: &[Ratio] = &[
    (
        "load/200-services/kraud",
        "load/200-services/bare-events",
        0.6,
    ),
    (
        "load/200-services-rare-yaml/kraud",
        "load/200-services/bare-events",
        2.0,
    ),
    ("load/2000-services/kraud", "load/200-services/kraud", 11.0),
    (
        "load/200-services-400-errors/kraud",
        "load/200-services/kraud",
        2.0,
    ),
    ("load/12-services/kraud", "load/12-services/podup", 0.2),
    (
        "load/12-services/kraud",
        "load/12-services/compose-lens",
        0.03,
    ),
];

fn main() -> ExitCode {
    instructions::main("compose", CASES, RATIOS, 2)
}

fn kraud(turns: u64, text: &str, services: usize, findings: usize) {
    for _ in 0..turns {
        let (project, found) = load(black_box(text));
        assert_eq!((project.services.len(), found), (services, findings));
    }
}

fn bare(turns: u64) {
    let text = real(200);
    for _ in 0..turns {
        assert!(events(black_box(&text)) > 10_000);
    }
}

#[cfg(feature = "rivals")]
fn rival(name: &str, turns: u64) {
    let (_, run) = kraud_benches::compose_rivals::ALL
        .into_iter()
        .find(|(rival, _)| *rival == name)
        .expect("a rival of this name");
    let text = real(12);
    for _ in 0..turns {
        assert_eq!(run(black_box(&text)), Some(12));
    }
}
