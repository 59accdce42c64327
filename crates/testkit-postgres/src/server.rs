//! A real PostgreSQL for tests: a cluster in a temporary folder, made with the binaries of the operating system.
//!
//! One cluster serves all tests of a process ([`Postgres::shared`]), each in a database of its own. Tests that kill the
//! server start one for themselves. A small shell watches the process that asked for the cluster, and ends the server
//! and removes the folder when that is gone, however it went.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};

/// The role that tests log in as; it is no superuser.
const ROLE: &str = "countersign";
/// A role whose password is asked for.
pub const GUARDED: &str = "guarded";
const PASSWORD: &str = "s3cret-of-the-tests";
/// A cluster is up within this time, also on a machine with a lot to do.
const START_TIME: Duration = Duration::from_secs(60);

/// Small, but durable.
const SETTINGS: &str = "
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 32MB
max_wal_size = 256MB
max_connections = 100
listen_addresses = '127.0.0.1'
log_min_messages = warning
timezone = 'UTC'
";

/// Clusters and databases of this process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A PostgreSQL server of the tests' own.
pub struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    watch: Option<Child>,
}

impl Postgres {
    /// The cluster that the tests of this process share.
    #[must_use]
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// Starts a cluster.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start() -> Postgres {
        Postgres::start_with("", &[])
    }

    /// Starts a cluster with more settings, and with files beside them that only the server reads, such as a key for TLS.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    #[must_use]
    pub fn start_with(settings: &str, files: &[(&str, &str)]) -> Postgres {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = place().join(format!("countersign-postgres-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("cannot make `{}`: {error}", folder.display()));
        let mut cluster = Postgres {
            binaries: binaries(),
            user: server_user(),
            port: free_port(),
            watch: Some(watch(&folder)),
            folder,
        };
        cluster.own(&cluster.folder);
        cluster.initialize(settings, files);
        cluster.restart();
        for role in [ROLE, GUARDED] {
            let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
            cluster.sql("postgres", &create);
        }
        cluster
    }

    /// Gives a path to the user that the server runs as.
    fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap_or_else(|error| panic!("cannot chown: {error}"));
        }
    }

    fn initialize(&mut self, settings: &str, files: &[(&str, &str)]) {
        let data = self.folder.join("data");
        let mut initdb = self.command("initdb");
        initdb.args(["--no-sync", "--username=postgres", "--auth=trust"]);
        initdb.args(["--encoding=UTF8", "--no-locale", "-D"]).arg(&data);
        finish(&mut initdb);
        let socket = self.folder.display();
        let conf = format!(
            "{SETTINGS}port = {}\nunix_socket_directories = '{socket}'\n{settings}\n",
            self.port
        );
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .unwrap_or_else(|error| panic!("no postgresql.conf: {error}"));
        file.write_all(conf.as_bytes())
            .unwrap_or_else(|error| panic!("cannot write postgresql.conf: {error}"));
        // Checking a password costs thousands of hashes, which take long where they are not optimized.
        let doors = format!(
            "local all all trust\nhost all {GUARDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        );
        let doors = fs::write(data.join("pg_hba.conf"), doors);
        doors.unwrap_or_else(|error| panic!("cannot write pg_hba.conf: {error}"));
        for (name, text) in files {
            let path = data.join(name);
            fs::write(&path, text)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
                .unwrap_or_else(|error| panic!("cannot write `{name}`: {error}"));
            self.own(&path);
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C");
        command
    }

    /// Starts the server, which is not running, and waits until it takes connections.
    ///
    /// # Panics
    /// If it does not.
    pub fn restart(&self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap_or_else(|error| panic!("no log: {error}"));
        let until = Instant::now() + START_TIME;
        let mut server: Option<Child> = None;
        loop {
            // Right after a kill the old one's memory may still be in use, and a new one ends at once.
            let ended = server
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                let (out, err) = (log.try_clone(), log.try_clone());
                let spawned = self
                    .command("postgres")
                    .arg("-D")
                    .arg(self.folder.join("data"))
                    .stdin(Stdio::null())
                    .stdout(out.unwrap_or_else(|error| panic!("no log: {error}")))
                    .stderr(err.unwrap_or_else(|error| panic!("no log: {error}")))
                    .process_group(0)
                    .spawn();
                server = Some(spawned.unwrap_or_else(|error| panic!("cannot run postgres: {error}")));
            }
            let mut ready = self.command("pg_isready");
            ready
                .arg("-q")
                .arg("-h")
                .arg(&self.folder)
                .arg("-p")
                .arg(self.port.to_string());
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            assert!(Instant::now() < until, "PostgreSQL does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// What the server wrote into its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    /// Kills the server and all its processes with `kill -9`, as when the machine ends.
    pub fn kill(&self) {
        let Some(server) = self.pid() else { return };
        let children = children(server);
        // They may have ended by themselves, which is as good.
        let _ = kill_process(server, Signal::KILL);
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = rustix::process::waitpid(Some(server), rustix::process::WaitOptions::empty());
    }

    /// A new, empty database, by its url over TCP.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        self.url(&name, self.port)
    }

    /// The url of a database through a port, as that of a proxy.
    #[must_use]
    pub fn url(&self, database: &str, port: u16) -> String {
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// Where the server listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with the server's socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a statement as superuser, and gives what it prints: values without a table around them.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = self.command("psql");
        psql.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        psql.args([
            "-U",
            "postgres",
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-XqAtc",
            statement,
        ]);
        finish(&mut psql)
    }
}

/// The name of a database, from its url.
#[must_use]
pub fn database_of(url: &str) -> &str {
    let base = url.split('?').next().unwrap_or_default();
    base.rsplit('/').next().unwrap_or_default()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            drop(watch.stdin.take());
            // It ends by itself.
            let _ = watch.wait();
        }
    }
}

/// Ends the server and removes the folder when its standard input ends, which it does with this process at the latest.
fn watch(folder: &Path) -> Child {
    let script = "cat > /dev/null
        pid=$(head -n 1 \"$0/data/postmaster.pid\" 2>/dev/null)
        if [ -n \"$pid\" ] && kill -QUIT \"$pid\" 2>/dev/null; then
            tries=0
            while [ -e \"/proc/$pid/root/.\" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
        fi
        rm -rf \"$0\"";
    Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run sh: {error}"))
}

fn finish(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", command.get_program().display()));
    assert!(
        output.status.success(),
        "{} failed: {}{}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The newest PostgreSQL that is installed.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(|path| number(path));
    let newest = newest.unwrap_or_else(|| {
        panic!("PostgreSQL is not installed: run `apt-get install postgresql`, or `cargo xtask test`, which does")
    });
    newest.join("bin")
}

/// PostgreSQL does not run as root; then it runs as the user that came with it.
fn server_user() -> Option<(u32, u32)> {
    if !getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (name == "postgres").then_some((uid.parse().ok()?, gid.parse().ok()?))
    });
    assert!(
        ids.is_some(),
        "there is no user `postgres`: run `apt-get install postgresql`"
    );
    ids
}

/// Where clusters lie: in memory where there is such a place. What a killed server has synced outlives it there as well,
/// and a disk that others keep busy does not make tests slow.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn free_port() -> u16 {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address
        .unwrap_or_else(|error| panic!("no port is free: {error}"))
        .port()
}

/// Processes that `parent` started.
fn children(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let child = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name before it may have spaces and brackets.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let of: i32 = fields.nth(1)?.parse().ok()?;
        (of == parent.as_raw_nonzero().get()).then_some(())?;
        Pid::from_raw(pid)
    };
    processes.filter_map(child).collect()
}
