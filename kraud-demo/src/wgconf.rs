//! A host's WireGuard configuration, as `wg showconf` prints one and `wg setconf` takes it.

use std::fmt::Write;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::keys::{Keys, base64};
use crate::plan::Mesh;

/// The configuration; with the private key only if that was asked for. It is wiped from memory after use.
///
/// # Errors
///
/// A key that is missing.
pub fn showconf(
    mesh: &Mesh,
    keys: &Keys,
    with_private_key: bool,
) -> Result<Zeroizing<String>, Error> {
    // Enough room from the beginning: a text that moves leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(256 + mesh.peers.len() * 256));
    let _ = writeln!(text, "[Interface]\nListenPort = {}", mesh.port);
    if with_private_key {
        let _ = writeln!(text, "PrivateKey = {}", *base64(keys.private(&mesh.host)?));
    }
    for peer in &mesh.peers {
        let _ = writeln!(
            text,
            "\n# {}\n[Peer]\nPublicKey = {}\nAllowedIPs = {}\nEndpoint = {}",
            peer.host.replace(char::is_control, " "),
            keys.public(&peer.host)?,
            peer.allowed,
            peer.endpoint
        );
    }
    Ok(text)
}
