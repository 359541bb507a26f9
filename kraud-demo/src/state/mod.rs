//! What outlives a run: addresses, projects, and what was made where.
//!
//! A [`Store`] holds small documents by key and changes several of them at once or none; [`FileStore`] keeps them in one
//! file of a folder, through a [`Disk`] that a test can take the power from. [`records`] are the documents. The form of
//! the file is described in `docs/STATE.md`.

mod disk;
mod file;
mod lock;
pub mod records;
mod store;

pub use disk::{Disk, Folder};
pub use file::FileStore;
pub use lock::Lock;
pub use store::{Entry, Revision, Snapshot, Store, StoreError, Swap};
