//! A PostgreSQL cluster for one test, with fsync as in production, that can be crashed and started again.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sqlx::PgConnection;

pub(crate) struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    port: u16,
}

impl Cluster {
    pub(crate) fn make() -> Self {
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let directory = Path::new("/var/tmp").join(format!("pom-cases-cluster-{unique}"));
        std::fs::create_dir(&directory).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { directory, binaries: binaries(), port };
        if is_root() {
            done(Command::new("chown").arg("postgres").arg(&cluster.directory).output());
        }
        let arguments = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
        done(cluster.run("initdb").args(arguments).arg(cluster.data()).output());
        cluster.start();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=200",
            self.port,
            self.directory.display()
        );
        let log = self.directory.join("server.log");
        let mut start = self.run("pg_ctl");
        start.arg("-D").arg(self.data()).arg("-l").arg(log).args(["-w", "-t", "60", "-o", &options, "start"]);
        // The server inherits the file handles, and a pipe would never be closed.
        assert!(
            start
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    }

    /// Stops as in a crash: no checkpoint, every session is cut.
    pub(crate) fn crash(&self) {
        done(self.run("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]).output());
    }

    /// Backs a database up while it is in use.
    pub(crate) fn dump(&self, database: String) -> PathBuf {
        let file = self.directory.join(format!("{database}.dump"));
        done(self.client("pg_dump").arg("-Fc").arg("-f").arg(&file).arg(&database).output());
        file
    }

    /// Puts a database back to a backup.
    pub(crate) async fn restore(&self, admin: &mut PgConnection, database: String, backup: &Path) {
        for statement in ["drop database {} with (force)", "create database {}"] {
            sqlx::query(&statement.replace("{}", &database)).execute(&mut *admin).await.unwrap();
        }
        done(self.client("pg_restore").arg("-d").arg(&database).arg(backup).output());
    }

    fn client(&self, program: &str) -> Command {
        let mut command = self.run(program);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
        command
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Runs a program as the user of the server, which is never root.
    fn run(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.directory);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ =
            self.run("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]).output();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn done(output: std::io::Result<Output>) {
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    String::from_utf8_lossy(&Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0"
}

/// The directory that `make test` found, or the newest of Debian's.
fn binaries() -> PathBuf {
    if let Some(found) = std::env::var_os("POSTGRES_BIN") {
        return found.into();
    }
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: run the tests by `make test-faults`");
    let newest = versions.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    Path::new("/usr/lib/postgresql").join(newest.unwrap().to_string()).join("bin")
}
