//! The proof that a library, with all it depends on, needs no standard library.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::{cargo, root, target};

const PURE: &[&str] = &["kraud-ipam", "kraud-tunnel"];

/// Builds the pure libraries for a bare machine, where there is no `std` to link.
///
/// Without such a target installed, a crate that brings its own panic handler stands in: two panic
/// handlers in one program are a compile error, and `std` brings one.
pub(crate) fn prove() -> Result<Verdict> {
    let bare = bare_target();
    for library in PURE {
        match &bare {
            Some(bare) => {
                let features = ["--no-default-features", "--target", bare];
                shell::run(cargo(&["build", "--package", library]).args(features))?;
            }
            None => beside_a_panic_handler(library)?,
        }
    }
    Ok(Verdict::Passed)
}

/// An installed target without an operating system, if there is one.
fn bare_target() -> Option<String> {
    let mut command = Command::new("rustup");
    let list = shell::read(command.args(["target", "list", "--installed"])).ok()?;
    list.lines()
        .find(|name| name.contains("-none"))
        .map(str::to_owned)
}

fn beside_a_panic_handler(library: &str) -> Result<()> {
    let folder = target().join("no-std").join(library);
    fs::create_dir_all(folder.join("src"))?;
    let path = root().join(library);
    fs::write(folder.join("Cargo.toml"), manifest(library, &path))?;
    fs::write(folder.join("src/lib.rs"), source(library))?;
    // The same versions as the workspace's.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    shell::run(
        cargo(&["build"])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", target().join("no-std/target")),
    )
}

fn manifest(library: &str, path: &Path) -> String {
    format!(
        r#"[package]
name = "{library}-without-std"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["staticlib"]

[dependencies]
{library} = {{ path = {path:?}, default-features = false }}

[profile.dev]
panic = "abort"

[workspace]
"#
    )
}

fn source(library: &str) -> String {
    let krate = library.replace('-', "_");
    // An allocator is asked for as soon as `alloc` is linked; this one never gives anything.
    format!(
        r"#![no_std]
extern crate {krate};

struct Nothing;

unsafe impl core::alloc::GlobalAlloc for Nothing {{
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 {{
        core::ptr::null_mut()
    }}
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {{}}
}}

#[global_allocator]
static NOTHING: Nothing = Nothing;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {{
    loop {{}}
}}
"
    )
}
