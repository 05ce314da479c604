//! Unix sockets of this machine that connections come from.
//!
//! A socket is made under a private name, given its mode and owner, and only then
//! made to listen and moved to its place: nobody can connect to it before it is as
//! it shall be, and nobody ever finds the place empty. Its directory is locked
//! meanwhile, so that of two programs that want one place the second one sees the
//! first.

use std::{
    fs::{self, File, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown},
    os::unix::net::UnixListener as StdListener,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use super::{
    super::{
        endpoint::{Accept, Incoming},
        peer::Peer,
    },
    KernelStream,
};

/// Connections that wait to be accepted, at most; the kernel may allow fewer.
const BACKLOG: i32 = 1024;
/// The most time that another program may take to bind in the same directory.
const LOCK: Duration = Duration::from_secs(2);
/// How often the lock of the directory is tried.
const TRY: Duration = Duration::from_millis(10);

/// Who may connect to a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The permission bits of the socket's file. Whoever may write it may connect.
    pub mode: u32,
    /// The user who shall own it; only root can give it away.
    pub uid: Option<u32>,
    /// The group it shall have; one of this user's own, unless this is root.
    pub gid: Option<u32>,
}

impl Default for Access {
    /// This user alone.
    fn default() -> Self {
        Self {
            mode: 0o600,
            uid: None,
            gid: None,
        }
    }
}

/// A unix socket of this machine. Dropping it removes its file, unless another one
/// has taken the place, or the file is somebody else's.
#[derive(Debug)]
pub struct UnixListener {
    // Removed before the socket is closed: as long as that is open, no other file
    // can have its inode, and no other program takes it for a stale one.
    _file: Option<SocketFile>,
    socket: tokio::net::UnixListener,
}

impl UnixListener {
    /// Listens on a path. A socket that is there and that nobody listens on is
    /// replaced; anything else stays, and is an error.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there, `AlreadyExists` when something else
    /// than a socket is there, `InvalidInput` when the path is too long for a
    /// socket, and what the kernel answers.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn bind(path: &Path, access: Access) -> io::Result<Self> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let place = address(path)?;
        let _lock = lock(directory).await?;
        make_way(path, &place)?;

        let temporary = directory.join(format!(".{:08x}", fastrand::u32(..)));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address(&temporary)?)?;
        let mut file = SocketFile::new(temporary)?;
        fs::set_permissions(&file.path, fs::Permissions::from_mode(access.mode & 0o777))?;
        lchown(&file.path, access.uid, access.gid)
            .map_err(|error| told(error, "giving it to its user and group"))?;
        socket.listen(BACKLOG)?;
        fs::rename(&file.path, path)?;
        path.clone_into(&mut file.path);
        let socket = tokio::net::UnixListener::from_std(StdListener::from(socket))?;
        Ok(Self {
            _file: Some(file),
            socket,
        })
    }

    /// Takes one that somebody else has made to listen, and whose file is theirs. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn passed(socket: StdListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixListener::from_std(socket)?;
        Ok(Self {
            _file: None,
            socket,
        })
    }
}

impl Accept for UnixListener {
    type Incoming = UnixIncoming;

    async fn accept(&mut self) -> io::Result<UnixIncoming> {
        let (stream, _) = self.socket.accept().await?;
        Ok(UnixIncoming(stream))
    }
}

/// A unix connection that has arrived.
#[derive(Debug)]
pub struct UnixIncoming(UnixStream);

impl Incoming for UnixIncoming {
    type Stream = KernelStream;

    fn peer(&self) -> Peer {
        let credentials = self.0.peer_cred();
        Peer::Unix {
            uid: credentials.ok().map(|credentials| credentials.uid()),
        }
    }

    fn local(&self) -> Option<SocketAddr> {
        None
    }

    fn claim(self) -> io::Result<KernelStream> {
        Ok(KernelStream::unix(self.0))
    }

    fn refuse(self) {
        // There is no reset: the other end reads EOF, or ECONNRESET if it has written.
    }
}

/// The file of a socket, removed when dropped if it is still the same one.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let data = fs::symlink_metadata(&path)?;
        Ok(Self {
            path,
            device: data.dev(),
            inode: data.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let same = fs::symlink_metadata(&self.path)
            .is_ok_and(|data| (data.dev(), data.ino()) == (self.device, self.inode));
        if !same {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a socket's file stays behind");
        }
    }
}

/// Takes the lock of a directory, which returns when the file is closed.
async fn lock(directory: &Path) -> io::Result<File> {
    let opened = File::open(directory)
        .map_err(|error| told(error, &format!("opening {}", directory.display())))?;
    let begun = Instant::now();
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= LOCK => {
                let text = format!("another process keeps {} locked", directory.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
            }
            Err(TryLockError::WouldBlock) => sleep(TRY).await,
        }
    }
}

/// Says whether the place may be taken: nothing is there, or a socket that nobody
/// listens on.
fn make_way(path: &Path, place: &SockAddr) -> io::Result<()> {
    let data = match fs::symlink_metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !data.file_type().is_socket() {
        let text = "what is there is no socket: remove it, or name another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(place) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let doing = "asking whether the socket that is there is in use";
            Err(told(error, doing))
        }
        // EAGAIN is a full queue, EPROTOTYPE a socket of another type: both are alive.
        Ok(()) | Err(_) => {
            let text = "already in use: stop what listens there, or name another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
    }
}

fn address(path: &Path) -> io::Result<SockAddr> {
    SockAddr::unix(path).map_err(|error| {
        if Errno::from_io_error(&error).is_some() {
            return error;
        }
        let text = "the path is too long for a socket: name one in a shorter directory";
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

fn told(error: io::Error, doing: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{doing}: {error}"))
}
