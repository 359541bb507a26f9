//! Kernel modules in the order in which they can be loaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Result};

/// What the checks need of a kernel.
pub(crate) const WANTED: &[&str] = &[
    "8021q",
    "bridge",
    "dummy",
    "fou6",
    "ip6_tunnel",
    "ipvlan",
    "macvlan",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "nft_nat",
    "nft_reject_inet",
    "tun",
    "veth",
    "vxlan",
    "wireguard",
];

/// What depmod(8) wrote about one kernel's modules.
#[derive(Debug)]
pub(crate) struct Index {
    folder: PathBuf,
    /// Each module's file, and those it needs, nearest first.
    files: Vec<(String, Vec<String>)>,
    /// Names of what is in the kernel itself.
    built_in: Vec<String>,
}

impl Index {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(Self::parse(
            folder,
            &fs::read_to_string(folder.join("modules.dep"))?,
            &fs::read_to_string(folder.join("modules.builtin"))?,
        ))
    }

    fn parse(folder: &Path, dependencies: &str, built_in: &str) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let files = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(file, needs)| (file.to_owned(), words(needs)))
            .collect();
        let built_in = built_in.lines().map(name).collect();
        Self {
            folder: folder.to_owned(),
            files,
            built_in,
        }
    }

    /// The files of `wanted` and of all they need, in loading order; what is built in needs none.
    pub(crate) fn in_order(&self, wanted: &[&str]) -> Result<Vec<PathBuf>> {
        let mut order: Vec<&String> = Vec::new();
        for module in wanted {
            if self.built_in.iter().any(|built_in| built_in == module) {
                continue;
            }
            let (file, needs) = self
                .files
                .iter()
                .find(|(file, _)| name(file) == *module)
                .ok_or_else(|| format!("{} has no module {module}", self.folder.display()))?;
            for file in needs.iter().rev().chain([file]) {
                if !order.contains(&file) {
                    order.push(file);
                }
            }
        }
        Ok(order
            .into_iter()
            .map(|file| self.folder.join(file))
            .collect())
    }
}

/// A module's name: its file's, without the extensions, underscores for hyphens.
fn name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// A module's name and contents, unpacked.
pub(crate) fn load(file: &Path) -> Result<(String, Vec<u8>)> {
    let name = format!("{}.ko", name(&file.to_string_lossy()));
    if file.extension().is_some_and(|extension| extension == "xz") {
        let output = shell::output(Command::new("xz").arg("-dc").arg(file))?;
        if !output.status.success() {
            return Err(format!("xz cannot unpack {}", file.display()).into());
        }
        Ok((name, output.stdout))
    } else {
        Ok((name, fs::read(file)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_loaded_before_it() {
        let index = Index::parse(
            Path::new("/m"),
            "net/wireguard.ko.xz: net/udp-tunnel.ko.xz lib/chacha.ko.xz\n\
             net/udp-tunnel.ko.xz:\nlib/chacha.ko.xz:\nnet/vxlan.ko.xz: net/udp-tunnel.ko.xz\n",
            "kernel/net/veth.ko\n",
        );
        let order = index
            .in_order(&["wireguard", "veth", "vxlan", "udp_tunnel"])
            .unwrap();
        let files = [
            "/m/lib/chacha.ko.xz",
            "/m/net/udp-tunnel.ko.xz",
            "/m/net/wireguard.ko.xz",
            "/m/net/vxlan.ko.xz",
        ];
        assert_eq!(order, files.map(PathBuf::from));
        assert!(index.in_order(&["ipvlan"]).is_err());
    }
}
