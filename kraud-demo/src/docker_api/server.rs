//! The socket.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::umask;

use super::http::{Request, Response};
use super::session;
use crate::error::Error;

/// How many clients are served at a time; the others are told to come back.
pub const MAX_CONNECTIONS: usize = 64;
/// How soon the end is noticed.
const PULSE: Duration = Duration::from_millis(100);

/// A listening socket in the file system, which goes with this value.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: a socket that somebody else put in our place is not ours to remove.
    file: (u64, u64),
}

impl Server {
    /// Makes the socket, for its owner alone. A socket that nobody listens on any more is replaced; other files never.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where somebody listens already, else [`Error::Io`].
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let failed = || Error::io(format!("cannot listen on {}", path.display()));
        let listener = match listen(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let file = fs::symlink_metadata(path).map_err(failed())?;
                let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
                let is_dead =
                    file.file_type().is_socket() && UnixStream::connect(path).is_err_and(refused);
                if !is_dead {
                    return Err(Error::Address {
                        message: format!(
                            "{} is in use by somebody else: stop that, or listen elsewhere",
                            path.display()
                        ),
                        held: true,
                    });
                }
                fs::remove_file(path).map_err(failed())?;
                listen(path)
            }
            listener => listener,
        };
        let listener = listener.map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        let file = fs::symlink_metadata(path).map_err(failed())?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file: (file.dev(), file.ino()),
        })
    }

    /// Serves until `is_over`.
    ///
    /// # Errors
    ///
    /// Those of `accept(2)` that waiting does not mend.
    pub fn run(
        &self,
        answer: impl Fn(&Request) -> Response + Sync,
        is_over: impl Fn() -> bool + Sync,
    ) -> io::Result<()> {
        let connections = AtomicUsize::new(0);
        let (answer, is_over, connections) = (&answer, &is_over, &connections);
        thread::scope(|scope| {
            while !is_over() {
                let mut stream = match self.listener.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        wait_for_client(&self.listener)?;
                        continue;
                    }
                    Err(error) if is_passing(&error) => continue,
                    Err(error) => return Err(error),
                };
                if connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
                    connections.fetch_sub(1, Ordering::Relaxed);
                    let busy = Response::error(503, "too many clients at once: try again");
                    let _ = stream.write_all(&busy.bytes(false, false));
                    continue;
                }
                scope.spawn(move || {
                    // What goes wrong on a connection is that client's own affair.
                    let _ = connection(stream, answer, is_over);
                    connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Ok(())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let file = fs::symlink_metadata(&self.path);
        if file.is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds with mode 0600 from the beginning on: there is no moment in which others could connect.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// Comes back when somebody connects, a signal arrives, or the pulse is over.
fn wait_for_client(listener: &UnixListener) -> io::Result<()> {
    let pulse = Timespec::try_from(PULSE).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&pulse)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn connection(
    mut stream: UnixStream,
    answer: impl Fn(&Request) -> Response,
    is_over: impl Fn() -> bool,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PULSE))?;
    // A client that does not read what it asked for is not waited for.
    stream.set_write_timeout(Some(session::PATIENCE))?;
    session::serve(&mut stream, answer, is_over)
}

/// What another `accept(2)` may not meet again: the client went away, or descriptors are short for the moment.
fn is_passing(error: &io::Error) -> bool {
    let passing = [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    let is = error
        .raw_os_error()
        .is_some_and(|code| passing.iter().any(|errno| errno.raw_os_error() == code));
    if is {
        thread::sleep(PULSE);
    }
    is
}
