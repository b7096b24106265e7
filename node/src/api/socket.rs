//! The socket's file: made once, private, and never left in the way of the next start.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Longest path that a socket address takes on Linux, without the final zero byte.
const LONGEST: usize = 107;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process answers on it.
    #[error("another process serves {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket has its name.
    #[error("{} is no socket", .0.display())]
    NoSocket(PathBuf),
    /// The system refused.
    #[error("cannot {during} {}", path.display())]
    System {
        /// bind, restrict, remove.
        during: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Stable label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::InUse(_) => "already-running",
            Self::NoSocket(_) | Self::System { .. } => "api-socket",
        }
    }
}

/// A listening socket of mode 0600; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Listens at `path`. A socket left behind by a process that died is replaced; one that answers is not touched.
    /// Must be called within a tokio runtime, by a process that holds the state folder's lock.
    ///
    /// # Errors
    /// Another process serves it; the name is taken by something else; the system refuses.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let system = |during| move |source| Error::System { during, path: path.to_owned(), source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(Error::NoSocket(path.to_owned())),
            Ok(_) => {
                let (short, _folder) = reachable(path).map_err(system("bind"))?;
                match std::os::unix::net::UnixStream::connect(short) {
                    Ok(_) => return Err(Error::InUse(path.to_owned())),
                    Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(path).map_err(system("remove"))?;
                    }
                    Err(e) => return Err(system("bind")(e)),
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(system("bind")(e)),
        }
        let (short, _folder) = reachable(path).map_err(system("bind"))?;
        let listener = UnixListener::bind(short).map_err(system("bind"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(system("restrict"))?;
        let inode = std::fs::symlink_metadata(path).map_err(system("restrict"))?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Only our own: a successor may have bound the name already.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Connects to the service at `path`.
///
/// # Errors
/// The system's: no such file or connection refused when no service runs.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (short, _folder) = reachable(path)?;
    UnixStream::connect(short).await
}

/// `path` in a form that fits a socket address: folders may be nested deeper than its 107 bytes. The file keeps the
/// form valid and must live as long as it is used.
fn reachable(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() <= LONGEST {
        return Ok((path.to_owned(), None));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let folder = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok((short, Some(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        // As a killed process leaves it: the file without a listener.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = Socket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path), Err(Error::InUse(_))));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        std::fs::write(&path, "letter").unwrap();
        assert!(matches!(Socket::bind(&path), Err(Error::NoSocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"letter");
    }

    #[tokio::test]
    async fn a_deep_folder_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("公文".repeat(20)).join("資料夾".repeat(10));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("api.sock");
        let socket = Socket::bind(&path).unwrap();
        let (client, server) = tokio::join!(connect(&path), socket.listener.accept());
        assert!(client.is_ok() && server.is_ok());
    }
}
