//! The crate needs neither `std` nor `alloc`, and no dependency of it brings them in.

use std::process::Command;

#[test]
fn nothing_in_the_dependency_tree_needs_std() {
    let source = include_str!("../src/lib.rs");
    assert!(source.contains("#![no_std]") && source.contains("#![forbid(unsafe_code)]"));
    assert!(!source.contains("extern crate alloc"));

    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let output = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--package",
            "kraud-tunnel",
            "--no-default-features",
        ])
        .args([
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{lib} {f}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, it started this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    let crates: Vec<&str> = tree
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    // thiserror is no_std unless its feature `std` is on.
    assert_eq!(crates, ["kraud_tunnel", "thiserror"], "{tree}");
}
