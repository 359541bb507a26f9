//! A plan's steps as wishes: what `lab` does once, `apply` compares with what is there.

use kraud_netlink::{Link, LinkKind, Op, Want};

use crate::error::Error;
use crate::identity::Scope;
use crate::keys::Keys;
use crate::model::{Deployment, Host, NOTE};
use crate::plan::{Action, PROTOCOL, Plan, Step, loopback_up, vpc_namespace};

/// The notes on links (`IFLA_IFALIAS`) that say whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes {
    /// On what all projects of the VPC share.
    pub vpc: String,
    /// On what one project has.
    pub project: String,
}

impl Notes {
    /// Those of a project.
    #[must_use]
    pub fn of(scope: &Scope, namespace: &str) -> Self {
        let vpc = format!("{NOTE}{}/{}", scope.tenant, scope.vpc);
        let project = format!("{vpc}/{namespace}");
        Self { vpc, project }
    }
}

/// A wish and the namespace that it is for; `None` is the host's own.
pub(super) type Placed = (Option<String>, Want);

/// Everything that the plan of `host` asks for, in its order.
///
/// # Errors
///
/// [`Error::Unplannable`] for what only the userspace plane does, or a host without a key.
pub(super) fn of_plan(
    plan: &Plan,
    deployment: &Deployment,
    host: &Host,
    keys: &Keys,
) -> Result<Vec<Placed>, Error> {
    let notes = Notes::of(&deployment.scope, &deployment.namespace);
    let vpc = vpc_namespace(&deployment.scope, &host.name);
    let mut wants = Vec::with_capacity(plan.steps.len() + 2 * plan.namespaces.len());
    for namespace in &plan.namespaces {
        wants.push((None, Want::Netns(namespace.clone())));
        wants.push((Some(namespace.clone()), of_op(&loopback_up())?));
    }
    for Step { namespace, action } in &plan.steps {
        let place = (*namespace != host.name).then(|| namespace.clone());
        let want = match action {
            Action::Netlink(op) => match of_op(op)? {
                Want::Link(link) => {
                    let born = link.netns.as_ref().or(place.as_ref());
                    let shared = born.is_some_and(|born| *born == vpc);
                    let note = if shared { &notes.vpc } else { &notes.project };
                    Want::Link(link.alias(note))
                }
                want => want,
            },
            Action::Mesh(mesh) => Want::Wireguard(keys.wireguard(mesh)?),
            Action::Tun { device } => {
                return Err(Error::Unplannable(format!(
                    "{namespace}: TUN device {device} needs a process behind it; `lab --plane userspace` has one"
                )));
            }
        };
        wants.push((place, want));
    }
    Ok(wants)
}

/// An operation as the wish that it fulfils.
fn of_op(op: &Op) -> Result<Want, Error> {
    Ok(match op {
        Op::AddAddress(address) => {
            let mut address = address.clone();
            address.protocol = Some(PROTOCOL);
            Want::Address(address)
        }
        Op::AddLink(link) => Want::Link(link.clone()),
        Op::AddRoute(route) => Want::Route(route.clone()),
        Op::AddRule(rule) => Want::Rule(rule.clone()),
        Op::SetNft(table) => Want::Nft(table.clone()),
        Op::SetWireguard(wireguard) => Want::Wireguard(wireguard.clone()),
        Op::WriteSysctl(sysctl) => Want::Sysctl(sysctl.clone()),
        // What is changed on a link that somebody else makes, such as loopback.
        Op::SetLink(change) => {
            let mut link = Link::new(&change.name, LinkKind::Physical);
            link.mtu = change.mtu;
            link.up = change.up == Some(true);
            link.noarp = change.arp == Some(false);
            link.addr_gen_mode = change.addr_gen_mode;
            Want::Link(link)
        }
        other => {
            return Err(Error::Unplannable(format!(
                "`{other}` is nothing that can be compared with what is there"
            )));
        }
    })
}
