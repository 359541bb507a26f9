//! What the virtual machine's RAM holds when it boots: a small Debian, our programs, and `/init`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guest;
use crate::shell::{self, Result};
use crate::workspace::{self, root};

use super::cpio::Archive;
use super::fetch::Unpacked;
use super::modules::{self, Index};
use super::programs::Program;

/// This machine's programs that the checks use. Busybox has its own `ip` and the like, and its shell
/// and its nsenter prefer them: so these two are here as well.
const TOOLS: &[&str] = &["ip", "nft", "nsenter", "ping", "sh", "wg"];

/// Writes to `path` a file system with the modules of `kernel` and all of `programs`.
///
/// `only` are the parts of names by which checks were chosen.
pub(crate) fn write(
    path: &Path,
    kernel: &Unpacked,
    programs: &[Program],
    only: &[String],
) -> Result<()> {
    let mut archive = Archive::new(BufWriter::new(File::create(path)?));
    skeleton(&mut archive, only)?;
    let mut load_order = String::new();
    for file in Index::read(&kernel.modules)?.in_order(modules::WANTED)? {
        let (name, data) = modules::load(&file)?;
        archive.file(format!("/modules/{name}"), 0o644, &data)?;
        load_order.push_str(&name);
        load_order.push('\n');
    }
    archive.file("/modules/order", 0o644, load_order.as_bytes())?;

    add(
        &mut archive,
        &shell::path("busybox")?,
        Path::new("/usr/bin/busybox"),
    )?;
    for tool in TOOLS {
        add(
            &mut archive,
            &shell::path(tool)?,
            &Path::new("/usr/bin").join(tool),
        )?;
    }
    for Program { from, to } in programs {
        let slim = path.with_extension("stripped");
        add(&mut archive, strip(from, &slim), to)?;
    }
    for example in root().join("kraud-demo/examples").read_dir()? {
        let example = example?;
        let to = Path::new(guest::EXAMPLES).join(example.file_name());
        archive.file(to, 0o644, &fs::read(example.path())?)?;
    }
    test_data(&mut archive)?;
    archive.finish()?;
    Ok(())
}

/// Everything that is neither a program nor a module.
fn skeleton(archive: &mut Archive<impl Write>, only: &[String]) -> Result<()> {
    for (from, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ] {
        archive.directory(format!("/{to}"), 0o755)?;
        archive.symlink(format!("/{from}"), to)?;
    }
    for folder in ["/dev", "/etc", "/proc", "/root", "/run", "/sys"] {
        archive.directory(folder, 0o755)?;
    }
    archive.directory("/tmp", 0o1777)?;
    let user = format!(
        "kraud:x:{id}:{id}:an ordinary user:/tmp:/bin/sh\n",
        id = guest::ORDINARY_USER
    );
    let passwd = format!("root:x:0:0:root:/root:/bin/sh\n{user}");
    archive.file("/etc/passwd", 0o644, passwd.as_bytes())?;
    archive.file("/etc/hosts", 0o644, b"127.0.0.1 localhost\n::1 localhost\n")?;
    archive.file(guest::ONLY, 0o644, only.join("\n").as_bytes())?;
    archive.file("/init", 0o755, include_bytes!("init.sh"))?;
    Ok(())
}

/// The files that tests read, at the paths where they were built.
fn test_data(archive: &mut Archive<impl Write>) -> Result<()> {
    for file in workspace::files()? {
        let is_source = file.extension().is_some_and(|extension| extension == "rs");
        if !is_source && file.iter().any(|folder| folder == "tests") {
            archive.file(&file, 0o644, &fs::read(&file)?)?;
        }
    }
    Ok(())
}

/// Adds the program `from` at `to`, and the libraries it is linked with where it looks for them.
fn add(archive: &mut Archive<impl Write>, from: &Path, to: &Path) -> Result<()> {
    archive.file(to, 0o755, &fs::read(from)?)?;
    for library in libraries(from)? {
        let to = under_usr(&library);
        if !archive.contains(&to) {
            archive.file(&to, 0o755, &fs::read(&library)?)?;
        }
    }
    Ok(())
}

/// The shared libraries of `program`, the dynamic loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = shell::output(Command::new("ldd").arg(program))?;
    // A static program is an error to ldd; it has no libraries.
    let list = String::from_utf8_lossy(&output.stdout);
    if list.contains("not found") {
        return Err(format!("{} misses a library:\n{list}", program.display()).into());
    }
    Ok(library_paths(&list))
}

fn library_paths(list: &str) -> Vec<PathBuf> {
    list.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// The same path in a system where `/lib` and its like are links into `/usr`.
fn under_usr(path: &Path) -> PathBuf {
    let mut parts: VecDeque<_> = path.iter().skip(1).collect();
    if parts.front().is_some_and(|first| *first != "usr") {
        parts.push_front("usr".as_ref());
    }
    Path::new("/").join(parts.into_iter().collect::<PathBuf>())
}

/// Drops the debug information, by far the largest part of a program, if there is a tool for it.
fn strip<'a>(program: &'a Path, slim: &'a Path) -> &'a Path {
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").args([slim, program]);
    if strip.status().is_ok_and(|status| status.success()) {
        slim
    } else {
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let list = "\tlinux-vdso.so.1 (0x00007ffe)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let paths = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(library_paths(list), paths.map(PathBuf::from));
    }

    #[test]
    fn a_library_lands_where_the_links_lead() {
        assert_eq!(
            under_usr(Path::new("/lib64/ld.so")),
            Path::new("/usr/lib64/ld.so")
        );
        assert_eq!(
            under_usr(Path::new("/usr/lib/x.so")),
            Path::new("/usr/lib/x.so")
        );
    }
}
