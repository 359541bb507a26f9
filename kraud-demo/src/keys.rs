//! WireGuard key pairs: fresh ones in memory, or kept in files that only their owner can read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use boringtun::x25519;
use ipnet::IpNet;
use kraud_netlink::{Peer, PrivateKey, PublicKey, Wireguard};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::model::Host;
use crate::plan::Mesh;

/// The hosts' keys: the public one of each, and the private ones that are at hand.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    private: BTreeMap<String, PrivateKey>,
    public: BTreeMap<String, PublicKey>,
}

impl Keys {
    /// Adds a host's key pair.
    pub fn insert_private(&mut self, host: impl Into<String>, private: PrivateKey) {
        let host = host.into();
        self.public.insert(host.clone(), public_key(&private));
        self.private.insert(host, private);
    }

    /// Adds what another host is known by.
    pub fn insert_public(&mut self, host: impl Into<String>, public: PublicKey) {
        self.public.insert(host.into(), public);
    }

    /// A host's private key.
    ///
    /// # Errors
    ///
    /// [`Error::Unplannable`] if it is not at hand.
    pub fn private(&self, host: &str) -> Result<&PrivateKey, Error> {
        let missing =
            || Error::Unplannable(format!("the private key of host `{host}` is not here"));
        self.private.get(host).ok_or_else(missing)
    }

    /// A host's public key.
    ///
    /// # Errors
    ///
    /// [`Error::Unplannable`] if it is not known.
    pub fn public(&self, host: &str) -> Result<PublicKey, Error> {
        let missing = || {
            Error::Unplannable(format!(
                "host `{host}` has no public key: let it print its own with `kraud-demo key show --host {host}`, \
                 and put that into the cluster file"
            ))
        };
        self.public.get(host).copied().ok_or_else(missing)
    }

    /// A device's configuration with the keys that the plan only names.
    ///
    /// # Errors
    ///
    /// [`Error::Unplannable`] for a host without a key.
    pub fn wireguard(&self, mesh: &Mesh) -> Result<Wireguard, Error> {
        let device = Wireguard::new(&mesh.device)
            .private_key(self.private(&mesh.host)?.clone())
            .listen_port(mesh.port);
        mesh.peers.iter().try_fold(device, |device, peer| {
            let mut config = Peer::new(self.public(&peer.host)?)
                .endpoint(peer.endpoint)
                .allow(IpNet::V6(peer.allowed));
            config.keepalive = mesh.keepalive;
            Ok(device.peer(config))
        })
    }

    /// The host of that public key.
    #[must_use]
    pub fn host_of(&self, public: PublicKey) -> Option<&str> {
        let mut all = self.public.iter();
        all.find(|(_, key)| **key == public)
            .map(|(host, _)| host.as_str())
    }
}

/// Takes the hosts' keys from `HOST.key` in `folder` (made if absent), or makes fresh ones without a folder.
///
/// # Errors
///
/// A file that cannot be read or written, or that holds no key.
pub fn of_hosts(hosts: &[Host], folder: Option<&Path>) -> Result<Keys, Error> {
    let mut keys = Keys::default();
    for host in hosts {
        let private = match folder {
            Some(folder) => load_or_make(folder, &host.name)?,
            None => generate().map_err(Error::io("cannot get random bytes"))?,
        };
        keys.insert_private(&host.name, private);
    }
    Ok(keys)
}

/// The key in `NAME.key` of that folder, made if absent; only its owner can read the file.
///
/// # Errors
///
/// A file that cannot be read or written, or that holds no key.
pub fn load_or_make(folder: &Path, name: &str) -> Result<PrivateKey, Error> {
    if let Some(key) = load(folder, name)? {
        return Ok(key);
    }
    let path = path(folder, name);
    let key = generate().map_err(Error::io("cannot get random bytes"))?;
    store(folder, &path, &key).map_err(Error::io(format!("cannot write {}", path.display())))?;
    Ok(key)
}

/// The key in `NAME.key` of that folder, or one that is written nowhere.
///
/// # Errors
///
/// As [`load_or_make`].
pub fn load_or_make_up(folder: &Path, name: &str) -> Result<PrivateKey, Error> {
    match load(folder, name)? {
        Some(key) => Ok(key),
        None => generate().map_err(Error::io("cannot get random bytes")),
    }
}

/// A new key in the place of the one in `NAME.key`, in one step.
///
/// # Errors
///
/// As [`load_or_make`].
pub fn replace(folder: &Path, name: &str) -> Result<PrivateKey, Error> {
    let (path, next) = (path(folder, name), folder.join(format!("{name}.key.next")));
    let context = || Error::io(format!("cannot write {}", path.display()));
    let key = generate().map_err(Error::io("cannot get random bytes"))?;
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(context()(error)),
        _ => {}
    }
    store(folder, &next, &key).map_err(context())?;
    fs::rename(&next, &path).map_err(context())?;
    Ok(key)
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

fn load(folder: &Path, name: &str) -> Result<Option<PrivateKey>, Error> {
    let path = path(folder, name);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => text.trim().parse().map(Some).map_err(|error| Error::Read {
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Writes a key where nobody else can read it, and never over another one.
fn store(folder: &Path, path: &Path, key: &PrivateKey) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", *base64(key))?;
    file.sync_all()
}

/// The form that `wg` reads, wiped from memory after use.
pub(crate) fn base64(key: &PrivateKey) -> Zeroizing<String> {
    Zeroizing::new(Base64::encode_string(key.expose()))
}

/// 32 random bytes, clamped as `wg genkey` does (RFC 7748 section 5).
fn generate() -> io::Result<PrivateKey> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    bytes[0] &= 0b1111_1000;
    bytes[31] &= 0b0111_1111;
    bytes[31] |= 0b0100_0000;
    Ok(PrivateKey::new(bytes))
}

/// What the peers know a private key by.
#[must_use]
pub fn public_key(private: &PrivateKey) -> PublicKey {
    let secret = x25519::StaticSecret::from(*private.expose());
    PublicKey(x25519::PublicKey::from(&secret).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_the_one_that_wg_computes() {
        // printf 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=' | wg pubkey
        let private = PrivateKey::new(std::array::from_fn(|index| index as u8 + 1));
        assert_eq!(
            public_key(&private).to_string(),
            "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw="
        );
    }

    #[test]
    fn a_fresh_key_is_clamped_and_never_shown() {
        let key = generate().unwrap();
        assert_eq!(key.expose()[0] & 7, 0);
        assert_eq!(key.expose()[31] >> 6, 1);
        assert!(!format!("{key:?}").contains(&*base64(&key)));
    }
}
