//! A TCP proxy that cuts connections: at once, or in the middle of what is said.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that the client sends.
    Client,
    /// Those that the server answers.
    Server,
}

/// Passes connections on to a port of this machine, until it cuts them.
pub struct Cut {
    port: u16,
    line: Arc<Line>,
}

struct Line {
    open: Mutex<Vec<TcpStream>>,
    /// Bytes that may still pass from each side; then all connections are cut.
    left: [AtomicI64; 2],
    refuses: AtomicBool,
    mute: AtomicBool,
}

impl Cut {
    /// A proxy before `port`.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn before(port: u16) -> Cut {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("no port is free: {error}"));
        let own = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let line = Arc::new(Line {
            open: Mutex::default(),
            left: [AtomicI64::new(i64::MAX), AtomicI64::new(i64::MAX)],
            refuses: AtomicBool::new(false),
            mute: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.refuses.load(Ordering::Acquire) {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    accepting.pass(client, server);
                }
            }
        });
        Cut { port: own.port(), line }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections now; new ones are taken.
    pub fn now(&self) {
        self.line.cut();
    }

    /// Cuts all connections when `side` has said so many bytes more. What is over the limit does not arrive.
    pub fn after(&self, side: Side, bytes: u32) {
        self.line.left(side).store(bytes.into(), Ordering::Release);
    }

    /// What the server says no longer arrives, until [`Cut::mend`]; what the client says still does.
    pub fn mute(&self) {
        self.line.mute.store(true, Ordering::Release);
    }

    /// Takes no new connections, until [`Cut::mend`].
    pub fn refuse(&self) {
        self.line.refuses.store(true, Ordering::Release);
        self.line.cut();
    }

    /// Takes connections again, and cuts nothing any more.
    pub fn mend(&self) {
        for side in [Side::Client, Side::Server] {
            self.line.left(side).store(i64::MAX, Ordering::Release);
        }
        self.line.refuses.store(false, Ordering::Release);
        self.line.mute.store(false, Ordering::Release);
    }
}

impl Line {
    fn left(&self, side: Side) -> &AtomicI64 {
        let [client, server] = &self.left;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for stream in self.open().drain(..) {
            // The other side may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn pass(self: &Arc<Line>, client: TcpStream, server: TcpStream) {
        for (from, to, side) in [(&client, &server, Side::Client), (&server, &client, Side::Server)] {
            // Without these no answer waits for more of it.
            let _ = from.set_nodelay(true);
            if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                let line = Arc::clone(self);
                std::thread::spawn(move || line.copy(from, to, side));
            }
        }
        self.open().extend([client, server]);
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, side: Side) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if side == Side::Server && self.mute.load(Ordering::Acquire) {
                continue;
            }
            let said = i64::try_from(count).unwrap_or(i64::MAX);
            let left = self.left(side);
            let before = if left.load(Ordering::Acquire) == i64::MAX {
                i64::MAX
            } else {
                left.fetch_sub(said, Ordering::AcqRel)
            };
            let passes = usize::try_from(before.clamp(0, said)).unwrap_or_default();
            let passed = buffer.get(..passes).unwrap_or_default();
            if to.write_all(passed).is_err() {
                break;
            }
            if passes < count {
                // Once: whoever comes after the cut is not cut again.
                left.store(i64::MAX, Ordering::Release);
                self.cut();
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.refuse();
    }
}
