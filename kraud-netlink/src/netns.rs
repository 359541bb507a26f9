//! Network namespaces: made, opened, entered for the time of a closure, and left behind by nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::spec::Sysctl;

/// Where `ip netns` keeps named namespaces.
pub const RUN_NETNS: &str = "/run/netns";

/// The calling *thread's* namespace; `/proc/self` would be the main thread's.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace, held by a file descriptor: it lives at least as long as this value and its clones.
///
/// An anonymous one ([`Netns::new`]) has no name anywhere, so it goes away with the process however that ends.
///
/// ```no_run
/// use kraud_netlink::{Link, Netns, Op};
///
/// let pod = Netns::new()?;
/// let mut kernel = pod.handle()?;
/// kernel.apply(&Op::AddLink(Link::bridge("br0").up()))?;
/// let forwarding = pod.run(|| std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Netns {
    file: Arc<File>,
    id: NetnsId,
}

/// What makes a namespace the same as another one while both are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetnsId {
    device: u64,
    inode: u64,
}

impl PartialEq for Netns {
    /// Is it the same namespace, whatever it was opened by?
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Netns {}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Netns {
    /// Makes an anonymous namespace, with nothing in it but a loopback link that is down.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; making one needs `CAP_SYS_ADMIN` in the caller's user namespace.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Result<Self> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|source| {
                Error::io("make a network namespace (needs CAP_SYS_ADMIN; a user namespace of one's own has it)", source)
            })?;
            Self::open_path(OWN)
        })?
    }

    /// Makes a namespace with a name under `/run/netns`, as `ip netns add` does.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `EEXIST` if the name is taken, or when mounting is not allowed; [`Error::Invalid`] for a name
    /// that is no file name.
    pub fn create(name: &str) -> Result<Self> {
        let netns = Self::new()?;
        netns.persist(name)?;
        Ok(netns)
    }

    /// Gives the namespace a name under `/run/netns`, which keeps it beyond this process.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn persist(&self, name: &str) -> Result<()> {
        let path = named(name)?;
        let what = || format!("name a network namespace {name:?}");
        fs::create_dir_all(RUN_NETNS).map_err(|source| Error::io(what(), source))?;
        share_run_netns().map_err(|source| Error::io(what(), source))?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| Error::io(what(), source))?;
        let source = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let none: Option<&str> = None;
        mount(Some(source.as_str()), &path, none, MsFlags::MS_BIND, none).map_err(|source| {
            let _ = fs::remove_file(&path);
            Error::io(what(), source)
        })
    }

    /// Removes a name under `/run/netns`; the namespace goes away once nothing else holds it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none of that name; [`Error::Io`].
    pub fn delete(name: &str) -> Result<()> {
        let path = named(name)?;
        if !path.exists() {
            return Err(not_found(name));
        }
        match umount2(&path, MntFlags::MNT_DETACH) {
            // A file that was never mounted on is a leftover: it goes as well.
            Ok(()) | Err(nix::Error::EINVAL) => {}
            Err(source) => {
                return Err(Error::io(
                    format!("delete network namespace {name:?}"),
                    source,
                ));
            }
        }
        fs::remove_file(&path)
            .map_err(|source| Error::io(format!("delete network namespace {name:?}"), source))
    }

    /// The names under `/run/netns`, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the folder is there but cannot be read.
    pub fn names() -> Result<Vec<String>> {
        let entries = match fs::read_dir(RUN_NETNS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| Error::io("list network namespaces", source))?,
        };
        let mut names: Vec<String> = entries
            .filter_map(std::result::Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The calling thread's namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when `/proc` is not there.
    pub fn current() -> Result<Self> {
        Self::open_path(OWN)
    }

    /// The namespace of that name under `/run/netns`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Invalid`]; [`Error::Io`].
    pub fn open(name: &str) -> Result<Self> {
        let path = named(name)?;
        if path.exists() {
            Self::open_path(path)
        } else {
            Err(not_found(name))
        }
    }

    /// The namespace of a process.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no such process or it belongs to somebody else.
    pub fn open_pid(pid: u32) -> Result<Self> {
        Self::open_path(format!("/proc/{pid}/ns/net"))
    }

    /// The namespace of a file: `/proc/PID/ns/net`, or one that is mounted somewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be opened; [`Error::Invalid`] if it is no network namespace.
    pub fn open_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let what = || format!("open network namespace {}", path.display());
        let file = File::open(path).map_err(|source| Error::io(what(), source))?;
        let own = fs::metadata(OWN).map_err(|source| Error::io(what(), source))?;
        let metadata = file
            .metadata()
            .map_err(|source| Error::io(what(), source))?;
        // Links of /proc say their kind: `uts:[4026531838]`. One of another kind that is mounted elsewhere is refused by the
        // kernel when it is entered.
        let link = fs::read_link(path).ok();
        let kind = link
            .as_deref()
            .and_then(Path::to_str)
            .and_then(|link| link.split_once(":["))
            .map(|(kind, _)| kind);
        if metadata.dev() != own.dev() || kind.is_some_and(|kind| kind != "net") {
            let why = "it is no namespace file; a network namespace is opened by name, process or /proc/PID/ns/net";
            return Err(Error::invalid(
                "network namespace",
                path.display().to_string(),
                why,
            ));
        }
        let id = NetnsId {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Ok(Self {
            file: Arc::new(file),
            id,
        })
    }

    /// The namespace that a user named: a name under `/run/netns`, a process id, or a path.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], [`Self::open_pid`] and [`Self::open_path`].
    pub fn find(text: &str) -> Result<Self> {
        if text.contains('/') {
            Self::open_path(text)
        } else if named(text)?.exists() {
            Self::open(text)
        } else if let Ok(pid) = text.parse() {
            Self::open_pid(pid)
        } else {
            Err(not_found(text))
        }
    }

    /// What makes it the same as another one.
    #[must_use]
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// Its file descriptor, for messages.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Runs `inside` in the namespace and gives back what it returns.
    ///
    /// The closure runs on a thread that ends with it, so that whatever happens in it, the caller stays where it is.
    /// Where the caller is in the namespace already, no thread is made. A panic goes on in the caller.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the namespace cannot be entered (needs `CAP_SYS_ADMIN` in its user namespace).
    pub fn run<R: Send>(&self, inside: impl FnOnce() -> R + Send) -> Result<R> {
        if Self::current().is_ok_and(|own| own == *self) {
            return Ok(inside());
        }
        on_a_thread(|| {
            setns(&*self.file, CloneFlags::CLONE_NEWNET).map_err(|source| {
                Error::io(
                    "enter a network namespace (needs CAP_SYS_ADMIN in its user namespace)",
                    source,
                )
            })?;
            Ok(inside())
        })?
    }

    /// A conversation with the kernel inside the namespace.
    ///
    /// The handle may be used from any thread: its sockets stay where they were opened.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn handle(&self) -> Result<Handle> {
        Handle::open(self.clone())
    }

    /// Writes a kernel setting inside the namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a key that is not the namespace's; [`Error::Io`] when the kernel refuses.
    pub fn write_sysctl(&self, sysctl: &Sysctl) -> Result<()> {
        let path = sysctl.path()?;
        self.run(|| fs::write(&path, &sysctl.value))?
            .map_err(|source| Error::io(format!("set {} to {}", sysctl.key, sysctl.value), source))
    }

    /// Reads a kernel setting inside the namespace, without the final line feed.
    ///
    /// # Errors
    ///
    /// As [`Self::write_sysctl`].
    pub fn read_sysctl(&self, key: &str) -> Result<String> {
        let path = Sysctl::new(key, "").path()?;
        let value = self
            .run(|| fs::read_to_string(&path))?
            .map_err(|source| Error::io(format!("read {key}"), source))?;
        Ok(value.trim_end_matches('\n').to_owned())
    }
}

fn not_found(name: &str) -> Error {
    let hint = "`ip netns list` shows those that are there".to_owned();
    Error::NotFound {
        what: "network namespace",
        name: name.to_owned(),
        hint: Some(hint),
    }
}

fn named(name: &str) -> Result<PathBuf> {
    if matches!(name, "" | "." | "..") || name.len() > 255 || name.contains(['/', '\0']) {
        return Err(Error::invalid(
            "network namespace",
            name,
            "it is no file name",
        ));
    }
    Ok(Path::new(RUN_NETNS).join(name))
}

/// Makes `/run/netns` a shared mount, so that other mount namespaces see names come and go.
fn share_run_netns() -> nix::Result<()> {
    let none: Option<&str> = None;
    let flags = MsFlags::MS_SHARED | MsFlags::MS_REC;
    match mount(Some(""), RUN_NETNS, Some("none"), flags, none) {
        // Not a mount point yet: it becomes one.
        Err(nix::Error::EINVAL) => {
            mount(
                Some(RUN_NETNS),
                RUN_NETNS,
                Some("none"),
                MsFlags::MS_BIND | MsFlags::MS_REC,
                none,
            )?;
            mount(Some(""), RUN_NETNS, Some("none"), flags, none)
        }
        result => result,
    }
}

/// Runs the closure on a thread that ends with it.
fn on_a_thread<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| Error::io("start a thread for a network namespace", source))?;
        match worker.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
