//! Which plane this machine can carry, by trying and never by its version.

use std::fs::OpenOptions;

use kraud_netlink::{Capability, probe};

use crate::cli::PlaneChoice;
use crate::error::Error;
use crate::plan::Plane;

/// Chooses a plane and says why.
///
/// # Errors
///
/// [`Error::Unavailable`] where the chosen plane, or with `auto` any plane, cannot run here.
pub fn choose(choice: PlaneChoice) -> Result<(Plane, String), Error> {
    match choice {
        PlaneChoice::Kernel => match missing_links()? {
            None => Ok((
                Plane::Kernel,
                "as asked; the kernel has wireguard, ipvlan and ip6tnl".to_owned(),
            )),
            Some(missing) => Err(Error::Unavailable {
                what: format!("the kernel plane cannot run here: {missing}"),
                help: format!("{MODULES}, or take --plane userspace"),
            }),
        },
        PlaneChoice::Mixed => {
            tun()?;
            match missing_links()? {
                None => Ok((
                    Plane::Mixed,
                    "as asked; the first, third… host in the kernel, the others not".to_owned(),
                )),
                Some(missing) => Err(Error::Unavailable {
                    what: format!("half of the hosts would need the kernel's links: {missing}"),
                    help: format!("{MODULES}, or take --plane userspace"),
                }),
            }
        }
        PlaneChoice::Userspace => tun().map(|()| (Plane::Userspace, "as asked".to_owned())),
        PlaneChoice::Auto => match missing_links()? {
            None => Ok((
                Plane::Kernel,
                "the kernel has wireguard, ipvlan and ip6tnl".to_owned(),
            )),
            Some(missing) => match tun() {
                Ok(()) => Ok((Plane::Userspace, missing)),
                Err(Error::Unavailable { what, help }) => Err(Error::Unavailable {
                    what: format!("no plane can run here: {missing}; {what}"),
                    help: format!("{MODULES}; or, for the userspace plane, {help}"),
                }),
                Err(error) => Err(error),
            },
        },
    }
}

const MODULES: &str = "load the modules as root: modprobe -a wireguard ipvlan ip6_tunnel";

/// What the kernel plane needs and this kernel lacks, in the kernel's own words.
fn missing_links() -> Result<Option<String>, Error> {
    let found = probe().map_err(Error::netlink("trying out link kinds"))?;
    let needed = [
        Capability::Wireguard,
        Capability::Ipvlan,
        Capability::Ip6TnlExternal,
        Capability::EncapIp6,
    ];
    let missing: Vec<String> = needed
        .into_iter()
        .filter_map(|capability| {
            let words = found
                .why_not(capability)?
                .kernel_message()
                .unwrap_or("not supported")
                .to_owned();
            Some(format!("no {capability} ({words})"))
        })
        .collect();
    Ok((!missing.is_empty()).then(|| missing.join(", ")))
}

/// Whether this user may open TUN devices.
fn tun() -> Result<(), Error> {
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Unavailable {
            what: format!("/dev/net/tun cannot be opened: {error}"),
            help: "run as root, or let this user open it: chmod 666 /dev/net/tun (modprobe tun where it is missing)"
                .to_owned(),
        }),
    }
}
