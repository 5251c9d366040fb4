//! A real LDAP server on its own port, with invented staff.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use ldap3::LdapConnAsync;

use crate::helpers::api::until;

pub(crate) const BASE: &str = "ou=Users,dc=test";
pub(crate) const ADMIN: &str = "cn=admin,dc=test";
pub(crate) const PASSWORD: &str = "not-a-secret";

pub(crate) struct Slapd {
    home: PathBuf,
    directory: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Slapd {
    /// Starts a server with these entries, or says why it cannot: `make test` fetches the server and sets
    /// `SLAPD_HOME`.
    pub(crate) async fn start() -> Option<Self> {
        let home = PathBuf::from(std::env::var_os("SLAPD_HOME").unwrap_or_else(|| "/".into()));
        if !home.join("usr/sbin/slapd").exists() {
            eprintln!("left out: there is no slapd under {} (SLAPD_HOME)", home.display());
            return None;
        }
        let directory = std::env::temp_dir().join(format!("slapd-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(directory.join("data")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut slapd = Self { home, directory, port, process: None };
        slapd.configure();
        slapd.run().await;
        slapd.fill().await;
        Some(slapd)
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn configure(&self) {
        let etc = self.home.join("etc/ldap/schema");
        let schemas = ["core", "cosine", "inetorgperson"].map(|name| etc.join(format!("{name}.schema")));
        let includes: String = schemas.iter().map(|path| format!("include {}\n", path.display())).collect();
        let settings = format!(
            "{includes}modulepath {modules}\nmoduleload back_mdb\nidletimeout 0\ndatabase mdb\nmaxsize 16777216\n\
             suffix dc=test\nrootdn {ADMIN}\nrootpw {PASSWORD}\ndirectory {data}\n",
            modules = self.home.join("usr/lib/ldap").display(),
            data = self.directory.join("data").display(),
        );
        std::fs::write(self.directory.join("slapd.conf"), settings).unwrap();
    }

    /// Runs the server, on the same port as before.
    pub(crate) async fn run(&mut self) {
        let process = Command::new(self.home.join("usr/sbin/slapd"))
            .args(["-d", "0", "-h", &self.url(), "-f"])
            .arg(self.directory.join("slapd.conf"))
            .env("LD_LIBRARY_PATH", libraries(&self.home))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        let address = format!("127.0.0.1:{}", self.port);
        until("slapd listens", || async { tokio::net::TcpStream::connect(&address).await.is_ok() }).await;
    }

    /// Stops it as in a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    async fn fill(&self) {
        let (driver, mut ldap) = LdapConnAsync::new(&self.url()).await.unwrap();
        tokio::spawn(async move { driver.drive().await });
        ldap.with_timeout(Duration::from_secs(10));
        ldap.simple_bind(ADMIN, PASSWORD).await.unwrap().success().unwrap();
        let mut add = async |dn: &str, attributes: &[(&str, &str)]| {
            let attributes: Vec<_> =
                attributes.iter().map(|(name, value)| (*name, [*value].into_iter().collect())).collect();
            ldap.add(dn, attributes).await.unwrap().success().unwrap();
        };
        add("dc=test", &[("objectClass", "domain"), ("dc", "test")]).await;
        add(BASE, &[("objectClass", "organizationalUnit"), ("ou", "Users")]).await;
        let person = [("objectClass", "inetOrgPerson"), ("sn", "Byron")];
        let with = |more: &[(&'static str, &'static str)]| [&person[..], more].concat();
        add(&format!("cn=AdaByron,{BASE}"), &with(&[("cn", "AdaByron"), ("mail", "ada.byron@example.org")]))
            .await;
        add(&format!("cn=NoMail,{BASE}"), &with(&[("cn", "NoMail")])).await;
        let below = format!("ou=Leavers,{BASE}");
        add(&below, &[("objectClass", "organizationalUnit"), ("ou", "Leavers")]).await;
        add(&format!("cn=Deeper,{below}"), &with(&[("cn", "Deeper"), ("mail", "deeper@example.org")])).await;
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The directory of the libraries that were unpacked with the server.
fn libraries(home: &Path) -> std::ffi::OsString {
    let below = std::fs::read_dir(home.join("usr/lib")).into_iter().flatten().filter_map(Result::ok);
    let triplets = below.map(|it| it.path()).filter(|it| it.to_string_lossy().ends_with("-linux-gnu"));
    std::env::join_paths(triplets.chain([home.join("usr/lib/ldap")])).unwrap()
}
